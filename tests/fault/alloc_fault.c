/*
 * alloc_fault: the whole program with an allocator that fails once, where a test says.
 *
 * Role    linked into hopgate_alloc_fault beside the program's own sources; being the executable's, these
 *         functions also serve every library (OpenSSL, jansson, libyaml, c-ares, libc itself)
 * Owns    nothing; the plan is a file that the test maps too, named by ALLOC_FAULT_PLAN
 * Thread  any
 *
 * Without a plan, and before main(), nothing fails. What is freed is not looked at. On request a few bytes
 * are allocated beside one allocation and forgotten: the leak by which a test knows that leaks are seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

/* The allocator below: the sanitizer's or the C library's. CMake knows which. */
#define BELOW_(prefix, name) prefix##name
#define BELOW(prefix, name)  BELOW_(prefix, name)

void *BELOW(ALLOCATOR_PREFIX, malloc)(size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, calloc)(size_t count, size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, realloc)(void *memory, size_t bytes);

enum { FRAMES_MAX = 24, LEAK_BYTES = 1234 };
enum { ON_MAIN_THREAD = 1, ON_OTHER_THREADS = 2 };

/* As tests/integration/lab/alloc_fault.py has it. */
struct plan {
    _Atomic uint64_t fail_at;    /* the number of the allocation that fails, from 1; 0: none */
    _Atomic uint64_t count;      /* allocations seen so far */
    _Atomic uint64_t threads;    /* whose are counted; 0: nobody's */
    _Atomic uint64_t failed;     /* how many did */
    _Atomic uint64_t leak_at;    /* the number of the allocation beside which bytes leak; 0: none */
    uint64_t frames[FRAMES_MAX]; /* who asked, of the executable: offsets; then 0 */
};

extern const char __executable_start, etext;

static struct plan *plan;
static _Thread_local bool is_inside;
static _Thread_local bool is_known; /* what starts a thread is the system's, and the sanitizer's */

__attribute__((constructor)) static void open_plan(void)
{
    const char *path = getenv("ALLOC_FAULT_PLAN");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (mapped != MAP_FAILED)
        plan = mapped;
}

/* Not backtrace(): it loads a library and allocates for it. */
static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument)
{
    unsigned *count = argument;
    uintptr_t frame = _Unwind_GetIP(context), start = (uintptr_t)&__executable_start;

    if (frame >= start && frame < (uintptr_t)&etext && *count < FRAMES_MAX)
        plan->frames[(*count)++] = frame - start;
    return *count < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void note_frames(void)
{
    unsigned count = 0;

    memset(plan->frames, 0, sizeof(plan->frames));
    (void)_Unwind_Backtrace(note_frame, &count);
}

static bool is_counted(void)
{
    uint64_t threads = plan ? atomic_load(&plan->threads) : 0;

    is_known |= threads == 0;
    if (!is_known || is_inside)
        return false;
    return threads & (gettid() == getpid() ? ON_MAIN_THREAD : ON_OTHER_THREADS);
}

static bool fails(void)
{
    uint64_t number;

    if (!is_counted())
        return false;
    number = atomic_fetch_add(&plan->count, 1) + 1;
    if (number == atomic_load(&plan->leak_at))
        (void)BELOW(ALLOCATOR_PREFIX, malloc)(LEAK_BYTES);
    if (number != atomic_load(&plan->fail_at))
        return false;
    is_inside = true;
    note_frames();
    is_inside = false;
    (void)atomic_fetch_add(&plan->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, malloc)(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, calloc)(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, realloc)(memory, bytes);
}

/* The sanitizers' own do not come by here. */
char *strdup(const char *text)
{
    return strndup(text, strlen(text));
}

char *strndup(const char *text, size_t len_max)
{
    size_t len = strnlen(text, len_max);
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
