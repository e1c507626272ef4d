#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/regex.h"

#include <assert.h>
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/fnv1a.h"
#include "core/log.h"

enum {
    JIT_STACK_MIN_BYTES = 32 * 1024,
    /* Twice what linear regexes were seen to need of REGEX_SUBJECT_MAX_BYTES; it grows on demand. */
    JIT_STACK_MAX_BYTES = 1024 * 1024,
    HEAP_MAX_KIB = 8 * 1024, /* of a match without JIT */
    TABLE_SLOTS_MIN = 64,
};

struct regex {
    struct regex *next; /* in its slot */
    uint64_t hash;
    pcre2_code *code;
    unsigned flags;
    bool is_anchored;
    size_t holders; /* under the table's lock */
    _Atomic uint64_t cuts;
    size_t length;
    char text[];
};

/* ---- the table of all ---------------------------------------------------------------------- */

/* A regex depends on nothing but its text, so one table serves every configuration. */
static struct {
    pthread_mutex_t lock;
    struct regex **slots;
    size_t slots_count, count;
    uint64_t compilations;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t hash_of(struct slice text, unsigned flags)
{
    return fnv1a_add(FNV1A_START ^ flags, text.ptr, text.len);
}

static struct regex **slot_of(uint64_t hash)
{
    return &table.slots[(hash ^ hash >> 29) & (table.slots_count - 1)];
}

static struct regex *find(struct slice text, unsigned flags, uint64_t hash)
{
    if (table.slots_count == 0)
        return NULL;
    for (struct regex *at = *slot_of(hash); at; at = at->next)
        if (at->hash == hash && at->flags == flags &&
            slice_equal((struct slice){ at->text, at->length }, text))
            return at;
    return NULL;
}

static int make_room(void)
{
    size_t count = table.slots_count, wanted = count ? count * 2 : TABLE_SLOTS_MIN;
    struct regex **former = table.slots, **slots;

    if (table.count < count)
        return 0;
    slots = calloc(wanted, sizeof(struct regex *));
    if (!slots)
        return -ENOMEM;
    table.slots = slots;
    table.slots_count = wanted;
    for (size_t i = 0; i < count; i++) {
        while (former[i]) {
            struct regex *moved = former[i], **slot = slot_of(moved->hash);

            former[i] = moved->next;
            moved->next = *slot;
            *slot = moved;
        }
    }
    free(former);
    return 0;
}

/* ---- compiling ----------------------------------------------------------------------------- */

/* As ngx_http_lua_regex compiles for Kong, and that text when it fails. */
static pcre2_code *compile(struct slice text, unsigned flags, char *message)
{
    uint32_t options = (flags & REGEX_ANCHORED ? PCRE2_ANCHORED : 0) |
                       (flags & REGEX_UTF ? PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY : 0);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_SIZE offset = 0;
    pcre2_code *code = NULL;
    PCRE2_UCHAR reason[160];
    int error = PCRE2_ERROR_HEAP_FAILED;

    message[0] = '\0';
    if (context) {
        (void)pcre2_set_max_pattern_length(context, REGEX_SUBJECT_MAX_BYTES);
        (void)pcre2_set_parens_nest_limit(context, 100);
        code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, &error, &offset, context);
        pcre2_compile_context_free(context);
    }
    if (code || error == PCRE2_ERROR_HEAP_FAILED)
        return code;
    (void)pcre2_get_error_message(error, reason, sizeof(reason));
    if (offset >= text.len)
        (void)snprintf(message, REGEX_MESSAGE_MAX, "pcre2_compile() failed: %s in \"%.*s\"", reason,
                       SLICE_ARG(text));
    else
        (void)snprintf(message, REGEX_MESSAGE_MAX,
                       "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", reason,
                       SLICE_ARG(text), SLICE_ARG(slice_from(text, offset)));
    return NULL;
}

/* Also what begins with "^" is bound to the front, and PCRE2 tries it at no other place. */
static bool is_anchored(const pcre2_code *code)
{
    uint32_t options = 0;

    (void)pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
    return options & PCRE2_ANCHORED;
}

static struct regex *regex_create(struct slice text, unsigned flags, char *message)
{
    struct regex *regex = malloc(sizeof(*regex) + text.len + 1);

    message[0] = '\0';
    if (!regex)
        return NULL;
    *regex = (struct regex){ .hash = hash_of(text, flags), .flags = flags, .length = text.len };
    memcpy(regex->text, text.ptr, text.len);
    regex->text[text.len] = '\0';
    regex->code = compile(text, flags, message);
    if (!regex->code) {
        free(regex);
        return NULL;
    }
    regex->is_anchored = is_anchored(regex->code);
    /* Where memory may not be written and run (systemd's MemoryDenyWriteExecute) there is no JIT:
     * then it is interpreted, within the same limits. */
    if (table.count < REGEX_JIT_MAX)
        (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    return regex;
}

/* Under the lock. */
static struct regex *add(struct slice text, unsigned flags, char *message)
{
    struct regex *regex, **slot;

    message[0] = '\0';
    if (make_room() < 0)
        return NULL;
    regex = regex_create(text, flags, message);
    if (!regex)
        return NULL;
    slot = slot_of(regex->hash);
    regex->next = *slot;
    *slot = regex;
    table.count++;
    table.compilations++;
    return regex;
}

struct regex *regex_take(struct slice text, unsigned flags, char message[REGEX_MESSAGE_MAX])
{
    struct regex *regex;

    (void)pthread_mutex_lock(&table.lock);
    regex = find(text, flags, hash_of(text, flags));
    if (!regex)
        regex = add(text, flags, message);
    if (regex)
        regex->holders++;
    (void)pthread_mutex_unlock(&table.lock);
    return regex;
}

static void forget(struct regex *regex)
{
    struct regex **at = slot_of(regex->hash);

    while (*at != regex)
        at = &(*at)->next;
    *at = regex->next;
    if (--table.count == 0) { /* nothing is left behind for a leak checker */
        free(table.slots);
        table.slots = NULL;
        table.slots_count = 0;
    }
    pcre2_code_free(regex->code);
    free(regex);
}

void regex_release(struct regex *regex)
{
    if (!regex)
        return;
    (void)pthread_mutex_lock(&table.lock);
    assert(regex->holders > 0);
    if (--regex->holders == 0)
        forget(regex);
    (void)pthread_mutex_unlock(&table.lock);
}

int regex_check(struct slice text, unsigned flags, char message[REGEX_MESSAGE_MAX])
{
    pcre2_code *code;
    bool known;

    message[0] = '\0';
    (void)pthread_mutex_lock(&table.lock);
    known = find(text, flags, hash_of(text, flags)) != NULL;
    (void)pthread_mutex_unlock(&table.lock);
    if (known)
        return 0;
    code = compile(text, flags, message);
    if (!code)
        return -EINVAL;
    pcre2_code_free(code);
    return 0;
}

/* ---- what it is ---------------------------------------------------------------------------- */

struct slice regex_text(const struct regex *regex)
{
    return (struct slice){ regex->text, regex->length };
}

unsigned regex_groups_count(const struct regex *regex)
{
    uint32_t count = 0;

    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count < REGEX_GROUPS_MAX ? count : REGEX_GROUPS_MAX - 1;
}

unsigned regex_group_named(const struct regex *regex, struct slice name)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR entry = NULL;

    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &count);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &entry);
    for (uint32_t i = 0; i < count; i++, entry += size)
        if (slice_equal(slice_of((const char *)entry + 2), name))
            return (unsigned)entry[0] << 8 | entry[1];
    return 0;
}

uint64_t regex_cuts_count(const struct regex *regex)
{
    return atomic_load_explicit(&regex->cuts, memory_order_relaxed);
}

size_t regex_interned_count(void)
{
    size_t count;

    (void)pthread_mutex_lock(&table.lock);
    count = table.count;
    (void)pthread_mutex_unlock(&table.lock);
    return count;
}

uint64_t regex_compilations_count(void)
{
    uint64_t count;

    (void)pthread_mutex_lock(&table.lock);
    count = table.compilations;
    (void)pthread_mutex_unlock(&table.lock);
    return count;
}

/* ---- matching ------------------------------------------------------------------------------ */

struct regex_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    struct slice subject; /* of the latest match */
    int pairs;            /* of offsets that it has set; 0: it was none */
    bool was_cut;
    size_t bytes_left; /* of the request, as the next */
    unsigned cuts_left;
};

struct regex_matcher *regex_matcher_create(void)
{
    struct regex_matcher *matcher = calloc(1, sizeof(*matcher));

    if (!matcher)
        return NULL;
    matcher->data = pcre2_match_data_create(REGEX_GROUPS_MAX, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    matcher->stack = pcre2_jit_stack_create(JIT_STACK_MIN_BYTES, JIT_STACK_MAX_BYTES, NULL);
    if (!matcher->data || !matcher->context) {
        regex_matcher_free(matcher);
        return NULL;
    }
    if (matcher->stack) /* else its own 32 KiB do */
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    (void)pcre2_set_heap_limit(matcher->context, HEAP_MAX_KIB);
    regex_matcher_begin(matcher);
    return matcher;
}

void regex_matcher_free(struct regex_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    free(matcher);
}

void regex_matcher_begin(struct regex_matcher *matcher)
{
    matcher->bytes_left = REGEX_REQUEST_BYTES_MAX;
    matcher->cuts_left = REGEX_REQUEST_CUTS_MAX;
    matcher->pairs = 0;
    matcher->was_cut = false;
}

/* Said once per regex: a client may cause it as often as it likes. */
static void note_cut(struct regex_matcher *matcher, const struct regex *regex, uint32_t steps)
{
    _Atomic uint64_t *cuts = &((struct regex *)regex)->cuts; /* the only part that changes */
    char reason[64];

    matcher->was_cut = true;
    matcher->cuts_left -= matcher->cuts_left > 0;
    if (atomic_fetch_add_explicit(cuts, 1, memory_order_relaxed) != 0)
        return;
    if (steps > 0)
        (void)snprintf(reason, sizeof(reason), "given up after %u steps", steps);
    else
        (void)snprintf(reason, sizeof(reason), "not tried beyond %d bytes",
                       REGEX_SUBJECT_MAX_BYTES);
    log_error(LOG_LEVEL_WARN,
              "[router] the regex \"%s\" was %s on %zu bytes: a request whose route depends on it "
              "gets none; this is said once, make it simpler",
              regex->text, reason, matcher->subject.len);
}

/* PCRE2 counts steps anew at each place where an unanchored match may begin. */
static uint32_t steps_for(const struct regex *regex, size_t length)
{
    uint32_t steps = REGEX_STEPS_MIN + REGEX_STEPS_PER_BYTE * (uint32_t)length;
    uint32_t share = REGEX_FLOATING_STEPS_MAX / ((uint32_t)length + 1);

    return regex->is_anchored || share > steps ? steps : share;
}

/* Has this request anything left for it? */
static bool may_try(struct regex_matcher *matcher, const struct regex *regex)
{
    size_t cost = matcher->subject.len + 64;

    if (matcher->bytes_left < cost || matcher->cuts_left == 0) {
        matcher->was_cut = true;
        return false;
    }
    matcher->bytes_left -= cost;
    if (matcher->subject.len <= REGEX_SUBJECT_MAX_BYTES)
        return true;
    note_cut(matcher, regex, 0);
    return false;
}

bool regex_match(struct regex_matcher *matcher, const struct regex *regex, struct slice subject)
{
    uint32_t steps;
    int r;

    matcher->pairs = 0;
    matcher->subject = subject;
    matcher->was_cut = false;
    if (!may_try(matcher, regex))
        return false;
    steps = steps_for(regex, subject.len);
    (void)pcre2_set_match_limit(matcher->context, steps);
    (void)pcre2_set_depth_limit(matcher->context, steps);
    r = pcre2_match(regex->code, (PCRE2_SPTR)(subject.ptr ? subject.ptr : ""), subject.len, 0,
                    regex->flags & REGEX_UTF ? PCRE2_NO_UTF_CHECK : 0, matcher->data,
                    matcher->context);
    if (r < 0) {
        if (r != PCRE2_ERROR_NOMATCH)
            note_cut(matcher, regex, steps);
        return false;
    }
    matcher->pairs = r == 0 ? REGEX_GROUPS_MAX : r;
    return true;
}

bool regex_was_cut(const struct regex_matcher *matcher)
{
    return matcher->was_cut;
}

struct slice regex_group(const struct regex_matcher *matcher, unsigned group)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(matcher->data);

    if ((int)group >= matcher->pairs || offsets[2 * group] == PCRE2_UNSET ||
        offsets[2 * group] > offsets[2 * group + 1]) /* \K in a look-ahead */
        return (struct slice){ NULL, 0 };
    return (struct slice){ matcher->subject.ptr + offsets[2 * group],
                           offsets[2 * group + 1] - offsets[2 * group] };
}
