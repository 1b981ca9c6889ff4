/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/sandbox.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* linux/ioprio.h is not among the headers of Debian 12. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_BEST_EFFORT_LOWEST ((2 << 13) | 7)

/* Landlock rights of later kernels than Debian 12's headers know (linux/landlock.h of 6.2). */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
	#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                 \
	(RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |              \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)
#define RIGHTS_ALL                                                                  \
	(RIGHTS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |              \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define RIGHTS_OF_FILES                                                 \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_EXECUTE)

/* The leak check of AddressSanitizer traces its own threads and reads /proc. */
#if defined(__SANITIZE_ADDRESS__)
	#define IS_SANITIZED 1
#elif defined(__has_feature)
	#if __has_feature(address_sanitizer)
		#define IS_SANITIZED 1
	#endif
#endif
#ifndef IS_SANITIZED
	#define IS_SANITIZED 0
#endif

bool sandbox_die_with_parent(void)
{
	pid_t parent = getppid();

	/* In a container the daemon may be process 1: then the pipe to us tells whether it lives. */
	struct pollfd in = { .fd = STDIN_FILENO };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return false;
	return parent != 1 || (poll(&in, 1, 0) >= 0 && !(in.revents & (POLLHUP | POLLNVAL)));
}

int sandbox_become_owner(const char *folder, struct err *err)
{
	struct stat st;
	struct passwd pw, *found = NULL;
	char text[4096];

	if (geteuid() != 0 || stat(folder, &st) < 0 || st.st_uid == 0)
		return 0;
	if (getpwuid_r(st.st_uid, &pw, text, sizeof(text), &found) != 0 || !found)
		found = NULL;
	if ((found ? initgroups(found->pw_name, st.st_gid) : setgroups(0, NULL)) < 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		return err_sys(err, "becoming the owner of %s", folder);
	return 0;
}

void sandbox_be_nice(void)
{
	struct sched_param p = { 0 };

	(void)setpriority(PRIO_PROCESS, 0, 10);
	(void)sched_setscheduler(0, SCHED_BATCH, &p);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LOWEST);
}

static void limit(__rlimit_resource_t what, uint64_t value)
{
	struct rlimit now;

	if (value == 0 || getrlimit(what, &now) < 0)
		return;
	now.rlim_cur = MIN((rlim_t)value, now.rlim_max);
	now.rlim_max = now.rlim_cur;
	(void)setrlimit(what, &now);
}

void sandbox_limit(const struct sandbox_limits *l)
{
	struct rlimit none = { 0, 0 };

	limit(RLIMIT_AS, l->memory_bytes);
	limit(RLIMIT_FSIZE, l->file_bytes);
	limit(RLIMIT_NOFILE, l->n_files);
	(void)setrlimit(RLIMIT_CORE, &none);
}

static int allow(int rules_fd, const char *path, uint64_t rights, struct err *err)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "opening %s", path);
	if (!S_ISDIR(st.st_mode))
		rights &= RIGHTS_OF_FILES;

	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, rules_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(err, "allowing %s", path);
	return 0;
}

/* 1: holds, 0: the kernel cannot. */
static int lock_files(const struct sandbox_rules *r, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	/* The first version forbids to rename from one folder to another, which a film needs. */
	if (abi < 2)
		return 0;

	uint64_t known = abi < 3 ? RIGHTS_ALL & ~LANDLOCK_ACCESS_FS_TRUNCATE : RIGHTS_ALL;
	struct landlock_ruleset_attr a = { .handled_access_fs = known };
	auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0);

	if (fd < 0)
		return err_sys(err, "making the sandbox's rules");
	for (const char *const *p = r->read; p && *p; p++) {
		int rc = allow(fd, *p, RIGHTS_READ & known, err);

		if (rc < 0)
			return rc;
	}
	for (const char *const *p = r->write; p && *p; p++) {
		int rc = allow(fd, *p, RIGHTS_WRITE & known, err);

		if (rc < 0)
			return rc;
	}
	if (IS_SANITIZED && allow(fd, "/proc", RIGHTS_READ & known, err) < 0)
		return -EACCES;
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(err, "entering the sandbox");
	return 1;
}

#if defined(__x86_64__)
	#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
	#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
	#define NATIVE_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
	#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef NATIVE_ARCH

/* Answered with EPERM. Sockets stand last: they may be allowed. */
static const long forbidden[] = {
	SYS_execve,
	SYS_execveat,
	#if !IS_SANITIZED
	SYS_ptrace,
	#endif
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_unshare,
	SYS_setns,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_socket,
	SYS_socketpair,
	SYS_connect,
	SYS_bind,
	SYS_listen,
	SYS_accept4,
};
	#define N_SOCKET_CALLS 6

static int lock_calls(bool allows_network)
{
	struct sock_filter f[2 * ARRAY_LEN(forbidden) + 8];
	unsigned short n = 0;
	size_t n_calls = ARRAY_LEN(forbidden) - (allows_network ? N_SOCKET_CALLS : 0);
	const struct sock_filter deny =
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA));

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	f[n++] = deny;
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                      offsetof(struct seccomp_data, nr));
	#if defined(__x86_64__)
	/* The x32 numbers would be a way around. */
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	f[n++] = deny;
	#endif
	for (size_t i = 0; i < n_calls; i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		                                      (uint32_t)forbidden[i], 0, 1);
		f[n++] = deny;
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	struct sock_fprog p = { .len = n, .filter = f };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0;
}

#else

static int lock_calls(bool allows_network UNUSED)
{
	return 0;
}

#endif

int sandbox_enter(const struct sandbox_rules *r, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "giving up new privileges");

	int files = lock_files(r, err);

	if (files < 0)
		return files;
	return (files ? SANDBOX_FILES : 0) | (lock_calls(r->allows_network) ? SANDBOX_CALLS : 0);
}

bool sandbox_notify(const char *state)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (!path || (path[0] != '/' && path[0] != '@'))
		return true;

	size_t size = strlen(path);

	if (size >= sizeof(a.sun_path))
		return false;
	memcpy(a.sun_path, path, size);
	if (path[0] == '@')
		a.sun_path[0] = 0;

	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t a_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);

	return fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	                         (const struct sockaddr *)&a, a_size) == (ssize_t)strlen(state);
}

int64_t sandbox_watchdog_ms(void)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t us = 0, of = 0;

	if (!usec || !text_to_i64(usec, &us) || us <= 0)
		return 0;
	if (pid && (!text_to_i64(pid, &of) || of != getpid()))
		return 0;
	return us / 2000;
}
