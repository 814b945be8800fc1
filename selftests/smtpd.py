#!/usr/bin/python3
"""An SMTP server on loopback for selftests/send.t: aiosmtpd, with a mailbox.

smtpd.py DIR: takes mail on a free port, which it writes to DIR/port. What it
accepts goes to the mailbox DIR/box, a maildir in which the names have the order
of the mails, with a line X-Envelope-To. Refuses the
recipients in DIR/refuse, one a line. If DIR/stall is there, the next mail makes
it create DIR/stalled and answer nothing more.
"""
import asyncio
import os
import sys
import time

from aiosmtpd.smtp import SMTP

top = sys.argv[1]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        try:
            with open(f"{top}/refuse") as refuse:
                if address in refuse.read().split():
                    return "550 5.1.1 no such user"
        except FileNotFoundError:
            pass
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(f"{top}/stall"):
            open(f"{top}/stalled", "w").close()
            await asyncio.sleep(3600)
        mail = f"X-Envelope-To: {', '.join(sorted(envelope.rcpt_tos))}\n".encode()
        mail += envelope.content.replace(b"\r\n", b"\n")
        with open(f"{top}/box/new/{time.time_ns()}", "wb") as file:
            file.write(mail)
        return "250 OK"


async def main():
    for name in ("cur", "new", "tmp"):
        os.makedirs(f"{top}/box/{name}", exist_ok=True)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", 0)
    with open(f"{top}/port.new", "w") as port:
        print(server.sockets[0].getsockname()[1], file=port)
    os.rename(f"{top}/port.new", f"{top}/port")
    await server.serve_forever()

asyncio.run(main())
