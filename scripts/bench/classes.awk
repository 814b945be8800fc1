# What a function of the kernel is there for, in the course of a page fault and of
# mmap, fork and munmap.
function class(f) {
	if (f == "[user]")
		return "user space"
	if (f ~ /^(__clear_pages_unrolled|clear_page|clear_huge|clear_highpage|kernel_init_pages|folio_zero|clear_contig|clear_subpage|process_huge_page|memset)/)
		return "clearing"
	if (f ~ /^(memcpy_orig$|copy_page$|copy_page_regs|copy_mc|copy_user_large|copy_user_gigantic|copy_subpage|copy_user_highpage|copy_highpage|folio_copy)/)
		return "copying"
	if (f ~ /^(asm_|exc_|error_|sync_regs|fixup_bad|irqentry|native_iret|restore_regs|common_interrupt|swapgs|__irqentry|irq_|syscall|entry_|do_syscall|x64_sys|__x64_sys)/)
		return "entry and exit"
	if (f ~ /^(handle_mm_fault|__handle_mm_fault|do_user_addr_fault|lock_vma|vma_start_read|lock_mm|find_vma|mas_|mt_|mtree|mm_|__mm_|count_memcg|access_error|fault_|vma_|handle_pte|do_fault|__do_fault|do_anonymous|do_shared|do_read|do_huge_pmd|create_huge|__thp_vma|thp_|vma_is_|wp_|do_wp|do_pte)/)
		return "finding the mapping"
	if (f ~ /^(xa_|xas_|filemap_|__filemap|folio_(un)?lock|__folio_lock)/)
		return "page cache"
	if (f ~ /^(down_|up_|_raw_|mutex_|rwsem_|__mutex|queued_|hugetlb_vma_(un)?lock|rcu_|__rcu)/)
		return "locks"
	if (f ~ /hugetlb|huge_|hstate|resv|region_|subpool|^sample|^\[module\]/)
		return "hugetlb and drivers"
	if (f ~ /^(get_page_from|__alloc|alloc_|rmqueue|__rmqueue|prep_|post_alloc|free_|__free|folio_alloc|vma_alloc|__folio_alloc|mempolicy|get_vma_policy|policy_|charge_|mem_cgroup|__mem_cgroup|try_charge|obj_cgroup|memcg|__mod_|mod_|lruvec|lru_|folio_add_lru|folio_batch|cgroup|__css_rstat|refill_|consume_|page_counter|folios_put|release_pages|kmem_|__kmalloc|kfree|__slab|___slab|expand)/)
		return "allocating and accounting"
	if (f ~ /(pte|pmd|pud|p4d|pgd|pgtable|rmap|insert_pfn|remap|unmap|zap|tlb|flush|pat_|pfnmap|memtype|insert_page|vm_map|set_)/)
		return "page tables"
	return "the rest"
}
