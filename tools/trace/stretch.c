#include "tools/trace/stretch.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

/* Logs say what they like, and sums must fit: no stretched span is longer than 70,000 years. */
#define SPAN_US_MAX (1ll << 61)

struct stretch {
    int64_t base_us, scale;
};

static int64_t moved(const struct stretch *stretch, const struct trace_account *account,
                     int64_t at_us)
{
    int64_t max_us = SPAN_US_MAX / stretch->scale;
    int64_t span_us = at_us + account->shift_us - stretch->base_us;

    span_us = span_us > max_us ? max_us : span_us < -max_us ? -max_us : span_us;
    return stretch->base_us + span_us * stretch->scale - account->shift_us;
}

/* What begin_us is moved by, every instant is: the spans are as stated. */
static void move_all(int64_t by_us, int64_t *const *instants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*instants[i] != TRACE_NEVER)
            *instants[i] += by_us;
}

static void stretch_all(const struct stretch *stretch, const struct trace_account *account,
                        int64_t *const *instants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*instants[i] != TRACE_NEVER)
            *instants[i] = moved(stretch, account, *instants[i]);
}

static void stretch_one(const struct stretch *stretch, struct trace_account *account,
                        unsigned depth)
{
    bool is_real = account->time_scale > 1 || strcmp(account->format, "origin") == 0;
    int64_t by_us = account->begin_us == TRACE_NEVER
                        ? 0
                        : moved(stretch, account, account->begin_us) - account->begin_us;
    int64_t *const own[] = { &account->begin_us, &account->head_us, &account->end_us };

    if (is_real)
        stretch_all(stretch, account, own, 3);
    else
        move_all(by_us, own, 3);
    for (unsigned i = 0; i < account->tries_count; i++) {
        struct trace_try *try = &account->tries[i];
        int64_t *const of_try[] = { &try->begin_us, &try->sent_us, &try->head_us, &try->end_us };

        if (is_real)
            stretch_all(stretch, account, of_try, 4);
        else
            move_all(by_us, of_try, 4);
        if (try->next && depth < DEPTH_MAX)
            stretch_one(stretch, try->next, depth + 1);
    }
}

static uint32_t scale_of(const struct trace_account *account, unsigned depth)
{
    uint32_t scale = account->time_scale > 1 ? account->time_scale : 1;

    for (unsigned i = 0; i < account->tries_count && scale == 1 && depth < DEPTH_MAX; i++)
        if (account->tries[i].next)
            scale = scale_of(account->tries[i].next, depth + 1);
    return scale;
}

uint32_t stretch_scale_of(const struct trace_account *root)
{
    return scale_of(root, 0);
}

void stretch_accounts(struct trace_account *root, uint32_t scale)
{
    const struct stretch stretch = { root->begin_us, scale };

    if (scale > 1 && root->begin_us != TRACE_NEVER)
        stretch_one(&stretch, root, 0);
}
