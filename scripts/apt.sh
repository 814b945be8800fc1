# shellcheck shell=bash
# A private apt root made from the machine's own apt configuration, to read
# suites that the machine's sources do not name. Sourced, never run.
# Nothing of the machine is changed and no root is needed.
#
#   apt_root DIR            make the root in DIR, an empty directory
#   apt_suite TYPE SUITE    add the suite (TYPE: deb or deb-src), if a mirror
#                           of this machine has it
#   apt_private CMD ARGS    run an apt command in the root
#   apt_error               the last error, in one line
#
# Honours: BASE_KEYRING (who must have signed the archive), APT_CONFIG.

apt_root() {
	APT_ROOT=$1
	mkdir -p "$APT_ROOT"/{lists,cache/archives}/partial "$APT_ROOT/parts"
	: >"$APT_ROOT/status"
	: >"$APT_ROOT/sources.list"
	: >"$APT_ROOT/log"
	# The mirrors that this machine uses, from its sources. Security
	# mirrors do not have these suites.
	mapfile -t APT_MIRRORS < <(apt-get update --print-uris 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/.*/InRelease' .*,\1,p" | sort -u | grep -v security)
	{
		echo 'Acquire::Retries "1";'
		echo 'Acquire::http::Timeout "20";'
		echo 'Acquire::https::Timeout "20";'
		# proxies and the like
		apt-config dump | grep '^Acquire::' |
			grep -v -E '^Acquire::(Languages|IndexTargets|Changelogs)'
		# A mirror that lags will do: it is signed all the same.
		echo 'Acquire::Check-Valid-Until "false";'
		cat <<-END
			APT::Architecture "$(dpkg --print-architecture)";
			APT::Architectures "$(dpkg --print-architecture)";
			APT::Sandbox::User "root";
			APT::Update::Error-Mode "any";
			Acquire::Languages "none";
			Dir::Etc::main "/dev/null";
			Dir::Etc::parts "/dev/null";
			Dir::Etc::sourcelist "$APT_ROOT/sources.list";
			Dir::Etc::sourceparts "/dev/null";
			Dir::Etc::preferences "/dev/null";
			Dir::Etc::preferencesparts "/dev/null";
			Dir::State "$APT_ROOT";
			Dir::State::lists "$APT_ROOT/lists";
			Dir::State::status "$APT_ROOT/status";
			Dir::Cache "$APT_ROOT/cache";
			Dir::Log "$APT_ROOT";
		END
	} >"$APT_ROOT/apt.conf"
}

apt_private() {
	APT_CONFIG=$APT_ROOT/apt.conf "$@" 2>>"$APT_ROOT/log"
}

apt_suite() {
	local mirror
	for mirror in "${APT_MIRRORS[@]}"; do
		echo "$1 [signed-by=$BASE_KEYRING] $mirror $2 main" >"$APT_ROOT/try.list"
		if apt_private apt-get -qq update -o APT::Get::List-Cleanup=0 \
			-o Dir::Etc::sourcelist="$APT_ROOT/try.list" >&2; then
			cat "$APT_ROOT/try.list" >>"$APT_ROOT/sources.list"
			return 0
		fi
	done
	return 1
}

apt_error() {
	if ((${#APT_MIRRORS[@]} == 0)); then
		echo "no apt source is configured"
	else
		grep '^[EW]:' "$APT_ROOT/log" | tail -n 1 | sed 's/^[EW]: *//'
	fi
}
