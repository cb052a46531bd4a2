// Loaded by LD_PRELOAD: counts the file calls under a folder, and makes one of them fail or the process die at it.
//
// Only what changes something on the disk counts, or makes it last: open, write, fsync, rename and their kin.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

enum fault { NONE, FAILS, FAILS_FROM_NOW_ON, SHORT, KILLED_BEFORE, KILLED_AFTER, HANGS };

static char folder[PATH_MAX];
static char names[1 << 14];
static char open_below[1 << 16];  // by descriptor
static long calls, faulty_call;
static enum fault fault;
static int error_number;

// Begin to count anew; the call of that number, counted from 1, has the fault.
EXPORTED void faults_begin(const char* below, long call, int kind, int error) {
  strncpy(folder, below, sizeof folder - 1);
  calls = 0;
  names[0] = 0;
  faulty_call = call;
  fault = (enum fault)kind;
  error_number = error;
}

// Stop to count; how many calls there were.
EXPORTED long faults_end(void) {
  folder[0] = 0;
  return calls;
}

// The names of the calls since faults_begin, each followed by a blank.
EXPORTED const char* faults_names(void) { return names; }

static int below(const char* path) {
  const size_t length = strlen(folder);
  return length && path && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int ours(int descriptor) {
  return folder[0] && descriptor >= 0 && descriptor < (int)sizeof open_below && open_below[descriptor];
}

// What is only read does not count; a folder that is opened is one to be synchronised.
static int changes(const char* path, int flags) {
  struct stat what;
  return below(path) && ((flags & O_ACCMODE) != O_RDONLY || (!stat(path, &what) && S_ISDIR(what.st_mode)));
}

static void remember(int descriptor, int is_ours) {
  if (descriptor >= 0 && descriptor < (int)sizeof open_below) open_below[descriptor] = (char)is_ours;
}

static long noted(const char* name) {
  const size_t used = strlen(names), length = strlen(name);
  if (used + length + 2 < sizeof names) {
    memcpy(names + used, name, length);
    memcpy(names + used + length, " ", 2);
  }
  ++calls;
  if (fault == KILLED_BEFORE && calls == faulty_call) kill(getpid(), SIGKILL);
  return calls;
}

static int fails(long number) {
  const int now =
      (fault == FAILS && number == faulty_call) || (fault == FAILS_FROM_NOW_ON && faulty_call && number >= faulty_call);
  if (now) errno = error_number;
  return now;
}

static void done(long number) {
  if (number && fault == KILLED_AFTER && number == faulty_call) kill(getpid(), SIGKILL);
}

#define NEXT(name)               \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define PASSED_ON(type, name, is_ours, parameters, arguments) \
  EXPORTED type name parameters {                             \
    NEXT(name);                                               \
    const long number = (is_ours) ? noted(#name) : 0;         \
    if (number && fails(number)) return -1;                   \
    const type result = next arguments;                       \
    done(number);                                             \
    return result;                                            \
  }

PASSED_ON(int, fdatasync, ours(fd), (int fd), (fd))
PASSED_ON(int, ftruncate, ours(fd), (int fd, off_t size), (fd, size))
PASSED_ON(int, ftruncate64, ours(fd), (int fd, off64_t size), (fd, size))
PASSED_ON(ssize_t, writev, ours(fd), (int fd, const struct iovec* parts, int count), (fd, parts, count))
PASSED_ON(int, rename, below(from) || below(to), (const char* from, const char* to), (from, to))
PASSED_ON(int, renameat, below(from) || below(to), (int a, const char* from, int b, const char* to), (a, from, b, to))
PASSED_ON(int, renameat2, below(from) || below(to), (int a, const char* from, int b, const char* to, unsigned flags),
          (a, from, b, to, flags))
PASSED_ON(int, link, below(to), (const char* from, const char* to), (from, to))
PASSED_ON(int, linkat, below(to), (int a, const char* from, int b, const char* to, int flags), (a, from, b, to, flags))
PASSED_ON(int, unlink, below(path), (const char* path), (path))
PASSED_ON(int, unlinkat, below(path), (int at, const char* path, int flags), (at, path, flags))
PASSED_ON(int, mkdir, below(path), (const char* path, mode_t mode), (path, mode))
PASSED_ON(int, mkdirat, below(path), (int at, const char* path, mode_t mode), (at, path, mode))

// On a disk that hangs, from the faulty call on, a signal ends the wait.
EXPORTED int fsync(int fd) {
  NEXT(fsync);
  const long number = ours(fd) ? noted("fsync") : 0;
  const struct timespec half_a_minute = {30, 0};
  if (number && fault == HANGS && number >= faulty_call && nanosleep(&half_a_minute, NULL)) return -1;
  if (number && fails(number)) return -1;
  const int result = next(fd);
  done(number);
  return result;
}

#define WRITES(name, parameters, arguments)                                            \
  EXPORTED ssize_t name parameters {                                                   \
    NEXT(name);                                                                        \
    const long number = ours(fd) ? noted(#name) : 0;                                   \
    if (number && fails(number)) return -1;                                            \
    if (number && fault == SHORT && number == faulty_call) size = size / 2 + size % 2; \
    const ssize_t result = next arguments;                                             \
    done(number);                                                                      \
    return result;                                                                     \
  }

WRITES(write, (int fd, const void* data, size_t size), (fd, data, size))
WRITES(pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at))
WRITES(pwrite64, (int fd, const void* data, size_t size, off64_t at), (fd, data, size, at))

#define OPENS(name, parameters, arguments)                       \
  EXPORTED int name parameters {                                 \
    NEXT(name);                                                  \
    mode_t mode = 0;                                             \
    if (flags & (O_CREAT | O_TMPFILE)) {                         \
      va_list rest;                                              \
      va_start(rest, flags);                                     \
      mode = va_arg(rest, mode_t);                               \
      va_end(rest);                                              \
    }                                                            \
    const long number = changes(path, flags) ? noted(#name) : 0; \
    if (number && fails(number)) return -1;                      \
    const int result = next arguments;                           \
    remember(result, number != 0);                               \
    done(number);                                                \
    return result;                                               \
  }

OPENS(open, (const char* path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char* path, int flags, ...), (path, flags, mode))
OPENS(openat, (int at, const char* path, int flags, ...), (at, path, flags, mode))
OPENS(openat64, (int at, const char* path, int flags, ...), (at, path, flags, mode))

// As in the kernel, the descriptor is gone even if closing it fails.
EXPORTED int close(int fd) {
  NEXT(close);
  const long number = ours(fd) ? noted("close") : 0;
  remember(fd, 0);
  const int result = next(fd);
  if (number && fails(number)) return -1;
  done(number);
  return result;
}
