/* A slow or full disk for one folder, for scripts/simulate_jobs.py: to be preloaded (LD_PRELOAD) on Linux.
 *
 * SIM_FOLDER      files below it are meant
 * SIM_SLOW_US     microseconds that each open, read and write of such a file takes longer
 * SIM_ROOM        bytes that can be written to such files, by all processes together; none is no limit
 * SIM_COUNTER     a file of 8 bytes in which the processes count what they wrote
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST 65536
static volatile char meant[MOST];

static void slow(void) {
    const char *told = getenv("SIM_SLOW_US");
    if (told && atoi(told)) usleep((unsigned)atoi(told));
}

static int opened(int fd) {
    const char *folder = getenv("SIM_FOLDER");
    char link[64], path[4096];
    if (fd < 0 || fd >= MOST || !folder) return fd;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return fd;
    path[length] = 0;
    meant[fd] = strncmp(path, folder, strlen(folder)) == 0;
    if (meant[fd]) slow();
    return fd;
}

/* Whether so many bytes more find room. */
static int room(size_t bytes) {
    static long *counter;
    const char *most = getenv("SIM_ROOM"), *file = getenv("SIM_COUNTER");
    if (!most || !file) return 1;
    if (!counter) {
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        int fd = real(file, O_RDWR);
        void *mapped = fd < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) return 1;
        counter = mapped;
    }
    if (__atomic_add_fetch(counter, (long)bytes, __ATOMIC_SEQ_CST) <= atol(most)) return 1;
    __atomic_sub_fetch(counter, (long)bytes, __ATOMIC_SEQ_CST);
    return 0;
}

#define OPEN(NAME)                                                                   \
    int NAME(const char *path, int flags, ...) {                                     \
        static int (*real)(const char *, int, ...);                                  \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;    \
        va_end(rest);                                                                \
        if (!real) real = dlsym(RTLD_NEXT, #NAME);                                   \
        return opened(real(path, flags, mode));                                      \
    }
#define OPENAT(NAME)                                                                 \
    int NAME(int folder, const char *path, int flags, ...) {                         \
        static int (*real)(int, const char *, int, ...);                             \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;    \
        va_end(rest);                                                                \
        if (!real) real = dlsym(RTLD_NEXT, #NAME);                                   \
        return opened(real(folder, path, flags, mode));                              \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t read(int fd, void *into, size_t bytes) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    if (fd >= 0 && fd < MOST && meant[fd]) slow();
    return real(fd, into, bytes);
}

ssize_t write(int fd, const void *from, size_t bytes) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (fd >= 0 && fd < MOST && meant[fd]) {
        slow();
        if (!room(bytes)) {
            errno = ENOSPC;
            return -1;
        }
    }
    return real(fd, from, bytes);
}

int close(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < MOST) meant[fd] = 0;
    return real(fd);
}
