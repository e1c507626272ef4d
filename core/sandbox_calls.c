/* The filter of system calls of the sandbox: a small program for the kernel's classic BPF machine. */
#include "core/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* Of no use to a proxy, of much to who has broken into one. Not every architecture has all. */
static const int denied[] = {
    /* other processes */
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    /* file systems */
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_swapon,
    SYS_swapoff,
    SYS_quotactl,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_acct,
    /* the kernel */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_reboot,
    SYS_syslog,
    SYS_lookup_dcookie,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
    /* the machine's clock and names, namespaces */
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_setns,
    SYS_unshare,
    SYS_personality,
    SYS_vhangup,
};

enum { DENIED_COUNT = sizeof(denied) / sizeof(denied[0]), FIXED_MAX = 16 };

#ifdef ARCHITECTURE

#define NAMESPACE_FLAGS                                                                        \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | \
     CLONE_NEWCGROUP)

#define LOAD(member) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define SKIP_UNLESS_EQUAL(value, skipped) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (skipped))

/* Returns how many instructions. */
static unsigned short write_filter(struct sock_filter *into)
{
    const struct sock_filter begin[] = {
        LOAD(arch), /* numbers of another architecture mean other calls */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), ANSWER(EPERM), LOAD(nr),
        /* x32 on amd64: the same calls under other numbers */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), ANSWER(ENOSYS),
        /* its flags are in memory, which a filter cannot read; libc falls back to clone */
        SKIP_UNLESS_EQUAL(SYS_clone3, 1), ANSWER(ENOSYS)
    };
    const struct sock_filter end[] = { SKIP_UNLESS_EQUAL(SYS_clone, 3), LOAD(args[0]),
                                       BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACE_FLAGS, 0, 1),
                                       ANSWER(EPERM),
                                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    unsigned short length = 0;

    for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
        into[length++] = begin[i];
    for (size_t i = 0; i < DENIED_COUNT; i++) {
        into[length++] = (struct sock_filter)SKIP_UNLESS_EQUAL(denied[i], 1);
        into[length++] = (struct sock_filter)ANSWER(EPERM);
    }
    for (size_t i = 0; i < sizeof(end) / sizeof(end[0]); i++)
        into[length++] = end[i];
    return length;
}

int sandbox_restrict_calls(void)
{
    struct sock_filter filter[2 * DENIED_COUNT + FIXED_MAX];
    const struct sock_fprog program = { .len = write_filter(filter), .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

#else

int sandbox_restrict_calls(void)
{
    return -EOPNOTSUPP; /* the numbers of this architecture were never checked */
}

#endif
