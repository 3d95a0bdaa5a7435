/* Preloaded into a process that keeps data on disk: counts, records or ends what it does to one folder.

   Armed by habitus_arm(folder, kill_at, how, log): from then on every write, sync, rename, unlink, truncation and
   creation below `folder` is an operation, numbered from 1. Operation `kill_at` ends the process by SIGKILL: before it
   is carried out (how 0), after it (how 1), or with half of its bytes written (how 2, writes only). With `log`, each
   operation is appended to that file before it is carried out, and so is what goes to standard output, which is what
   the process has promised by then.

   A record of the log: kind (1 byte), u32 length of the path, u64 offset, u64 length of the data, path, data.
   Kinds: w write, b sync begun, s sync done, r rename (data: the new path), u unlink, t truncate (offset: the size), c create, a said. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static volatile int armed;
static long kill_at, count;
static int how, log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void end(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

static void all(const void *data, size_t length) {
    while (length) {
        long done = syscall(SYS_write, log_fd, data, length);
        if (done <= 0) end();
        data = (const char *)data + done;
        length -= (size_t)done;
    }
}

static void record(char kind, const char *path, uint64_t offset, const void *data, uint64_t length) {
    if (log_fd < 0) return;
    uint32_t n = (uint32_t)strlen(path);
    all(&kind, 1); all(&n, 4); all(&offset, 8); all(&length, 8); all(path, n); all(data, length);
}

/* The path of a descriptor when it lies below the folder, else 0. */
static int of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/' && !strstr(path, "-shm");
}

static int of_path(int at, const char *name, char *path) {
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else if (at == AT_FDCWD) { if (!getcwd(path, PATH_MAX / 2)) return 0; strcat(path, "/"); strcat(path, name); }
    else { if (!of_fd(at, path)) return 0; strcat(path, "/"); strcat(path, name); }
    return strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/' && !strstr(path, "-shm");
}

static int begin(char kind, const char *path, uint64_t offset, const void *data, uint64_t length) {
    pthread_mutex_lock(&lock);
    record(kind, path, offset, data, length);
    long mine = ++count;
    if (mine == kill_at && how == 0) end();
    return mine == kill_at;
}

static void finish(int chosen) { if (chosen) end(); pthread_mutex_unlock(&lock); }

int habitus_arm(const char *where, long at, int what, const char *log) {
    if (!realpath(where, folder)) return -1;
    folder_length = strlen(folder);
    kill_at = at; how = what; count = 0;
    log_fd = log && *log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    armed = 1;
    return 0;
}

long habitus_count(void) { return count; }

ssize_t write(int fd, const void *data, size_t length) {
    char path[PATH_MAX];
    if (armed && fd == 1 && log_fd >= 0) {
        pthread_mutex_lock(&lock); record('a', "", 0, data, length); pthread_mutex_unlock(&lock);
    }
    if (!armed || !of_fd(fd, path)) return syscall(SYS_write, fd, data, length);
    off_t at = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    int chosen = begin('w', path, (uint64_t)at, data, length);
    ssize_t done = syscall(SYS_write, fd, data, chosen && how == 2 ? length / 2 : length);
    finish(chosen);
    return done;
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t at) {
    char path[PATH_MAX];
    if (!armed || !of_fd(fd, path)) return syscall(SYS_pwrite64, fd, data, length, at);
    int chosen = begin('w', path, (uint64_t)at, data, length);
    ssize_t done = syscall(SYS_pwrite64, fd, data, chosen && how == 2 ? length / 2 : length, at);
    finish(chosen);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at); }

static int synced(int fd, long number) {
    char path[PATH_MAX];
    if (!armed) return (int)syscall(number, fd);
    int mine = of_fd(fd, path);
    if (!mine && strcmp(path, folder)) return (int)syscall(number, fd);
    /* what others say or write meanwhile is recorded between the two */
    int chosen = begin('b', path, 0, "", 0);
    if (chosen && how != 1) end();
    pthread_mutex_unlock(&lock);
    int done = (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    if (!done) record('s', path, 0, "", 0);
    finish(chosen);
    return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int shortened(int fd, off_t size) {
    char path[PATH_MAX];
    if (!armed || !of_fd(fd, path)) return (int)syscall(SYS_ftruncate, fd, size);
    int chosen = begin('t', path, (uint64_t)size, "", 0);
    int done = (int)syscall(SYS_ftruncate, fd, size);
    finish(chosen);
    return done;
}
int ftruncate(int fd, off_t size) { return shortened(fd, size); }
int ftruncate64(int fd, off_t size) { return shortened(fd, size); }

static int renamed(int from_at, const char *from, int to_at, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    if (!armed || !of_path(to_at, to, new) || !of_path(from_at, from, old))
        return (int)syscall(SYS_renameat, from_at, from, to_at, to);
    int chosen = begin('r', old, 0, new, strlen(new));
    int done = (int)syscall(SYS_renameat, from_at, from, to_at, to);
    finish(chosen);
    return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renamed(from_at, from, to_at, to); }

static int removed(int at, const char *name, int flags) {
    char path[PATH_MAX];
    if (!armed || !of_path(at, name, path)) return (int)syscall(SYS_unlinkat, at, name, flags);
    int chosen = begin('u', path, 0, "", 0);
    int done = (int)syscall(SYS_unlinkat, at, name, flags);
    finish(chosen);
    return done;
}
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }
int unlinkat(int at, const char *name, int flags) { return removed(at, name, flags); }

static int made(int at, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!armed || !of_path(at, name, path)) return (int)syscall(SYS_mkdirat, at, name, mode);
    int chosen = begin('c', path, 1, "", 0);
    int done = (int)syscall(SYS_mkdirat, at, name, mode);
    finish(chosen);
    return done;
}
int mkdir(const char *name, mode_t mode) { return made(AT_FDCWD, name, mode); }
int mkdirat(int at, const char *name, mode_t mode) { return made(at, name, mode); }

static int opened(int at, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    if (!armed || !(flags & (O_CREAT | O_TRUNC)) || !of_path(at, name, path))
        return (int)syscall(SYS_openat, at, name, flags, mode);
    int exists = stat(path, &found) == 0;
    int chosen = 0, mine = 1;
    if (!exists) chosen = begin('c', path, 0, "", 0);
    else if (flags & O_TRUNC) chosen = begin('t', path, 0, "", 0);
    else mine = 0;
    int done = (int)syscall(SYS_openat, at, name, flags, mode);
    if (mine) finish(chosen);
    return done;
}
#define MODE mode_t mode = 0; if (flags & O_CREAT) { va_list more; va_start(more, flags); \
    mode = va_arg(more, mode_t); va_end(more); }
int open(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags | O_LARGEFILE, mode); }
