#include "tools/repro/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "tools/cli/cli.h"
#include "tools/repro/trial_group.h"

enum { LABS_AT_A_TIME = 3, LAB_PATIENCE_MS = 90000, BAR_WIDTH = 30, READ_BYTES = 8192 };

/* A child that plays a group. */
struct lab {
    const struct trial_group *group;
    pid_t pid;
    int fd; /* -1: it has ended */
    uint64_t until_ms;
    char *words; /* what it has written; malloc'ed */
    size_t length;
};

struct playing_all {
    const struct cause_table *table;
    const struct pasted *pasted;
    struct trials *trials;
    struct trial_group groups[RANK_MAX];
    size_t groups_count, next;
    struct lab labs[LABS_AT_A_TIME];
    size_t members_count, members_done;
};

/* ---- children ------------------------------------------------------------------------------ */

__attribute__((noreturn)) static void be_lab(const struct playing_all *all,
                                             const struct trial_group *group, pid_t parent, int fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(CLI_FAILED);
    _exit(trial_group_play(all->table, all->trials, group, all->pasted, fd));
}

static bool start(const struct playing_all *all, const struct trial_group *group, struct lab *lab)
{
    pid_t parent = getpid();
    int ends[2];

    *lab = (struct lab){ .group = group, .fd = -1 };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    (void)fflush(NULL);
    lab->pid = fork();
    if (lab->pid == 0)
        be_lab(all, group, parent, ends[1]);
    (void)close(ends[1]);
    if (lab->pid < 0) {
        (void)close(ends[0]);
        return false;
    }
    lab->fd = ends[0];
    lab->until_ms = clock_now_ms() + LAB_PATIENCE_MS;
    return true;
}

static void start_some(struct playing_all *all)
{
    for (size_t i = 0; i < LABS_AT_A_TIME; i++)
        while (all->labs[i].fd < 0 && all->next < all->groups_count &&
               !start(all, &all->groups[all->next++], &all->labs[i]))
            continue;
}

static bool is_any_running(const struct playing_all *all)
{
    for (size_t i = 0; i < LABS_AT_A_TIME; i++)
        if (all->labs[i].fd >= 0)
            return true;
    return false;
}

/* ---- what they say ------------------------------------------------------------------------- */

/* The nearest of those lines to the pasted one. */
static enum comparison nearest(const struct line *wanted, const json_t *lines, const char **ret,
                               char *differs, size_t size)
{
    struct line *ours = malloc(sizeof(*ours));
    enum comparison best = COMPARE_NONE;
    char its[LINE_VALUE_MAX];
    const json_t *text;
    size_t i;

    json_array_foreach(lines, i, text)
    {
        enum comparison found = COMPARE_NONE;

        if (ours && line_read(slice_of(json_string_value(text)), ours))
            found = compare_lines(wanted, ours, its, sizeof(its));
        if (found <= best)
            continue;
        best = found;
        *ret = json_string_value(text);
        (void)snprintf(differs, size, "%s", its);
    }
    free(ours);
    return best;
}

/* A line of the other log, if the product has one. */
static const char *line_beside(const struct pasted *pasted, const json_t *said)
{
    bool has[LINE_KINDS] = { false };
    const char *key;

    for (size_t i = 0; i < pasted->count; i++)
        has[pasted->lines[i].kind] = true;
    if (has[LINE_ERROR] == has[LINE_ACCESS])
        return NULL;
    key = has[LINE_ERROR] ? "access" : "error";
    return json_string_value(json_array_get(json_object_get(said, key), 0));
}

static void judge(const struct pasted *pasted, const json_t *said, struct trial *trial)
{
    const char *beside = line_beside(pasted, said);

    trial->is_tried = true;
    trial->result = COMPARE_SAME;
    trial->beside = beside ? strdup(beside) : NULL;
    for (size_t i = 0; i < pasted->count; i++) {
        const struct line *wanted = &pasted->lines[i];
        const char *text = NULL;
        char differs[LINE_VALUE_MAX] = "";
        const char *key = wanted->kind == LINE_ERROR ? "error" : "access";

        trial->of_line[i] =
            nearest(wanted, json_object_get(said, key), &text, differs, sizeof(differs));
        trial->said[i] = text ? strdup(text) : NULL;
        if (trial->of_line[i] >= trial->result)
            continue;
        trial->result = trial->of_line[i];
        (void)snprintf(trial->differs, sizeof(trial->differs), "%s", differs);
    }
}

static void take_result(struct playing_all *all, const struct lab *lab)
{
    const char *begin = lab->words;
    json_t *said;

    while (begin && *begin == '+') /* a line for each member that has ended */
        begin = strchr(begin, '\n') ? strchr(begin, '\n') + 1 : NULL;
    said = begin && *begin == '=' ? json_loads(begin + 1, 0, NULL) : NULL;
    for (size_t i = 0; i < lab->group->count && i < json_array_size(said); i++)
        judge(all->pasted, json_array_get(said, i), &all->trials->list[lab->group->members[i]]);
    json_decref(said);
}

static void end(struct playing_all *all, struct lab *lab)
{
    while (waitpid(lab->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    (void)close(lab->fd);
    lab->fd = -1;
    take_result(all, lab);
    free(lab->words);
    lab->words = NULL;
}

static void read_words(struct playing_all *all, struct lab *lab)
{
    char *grown = realloc(lab->words, lab->length + READ_BYTES + 1);
    ssize_t n = -1;

    if (grown) {
        lab->words = grown;
        n = read(lab->fd, grown + lab->length, READ_BYTES);
        if (n < 0 && errno == EINTR)
            return;
    }
    if (n <= 0) {
        if (!grown)
            (void)kill(lab->pid, SIGKILL);
        end(all, lab);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        all->members_done +=
            lab->words[lab->length + (size_t)i] == '+' &&
            (lab->length + (size_t)i == 0 || lab->words[lab->length + (size_t)i - 1] == '\n');
    lab->length += (size_t)n;
    lab->words[lab->length] = '\0';
}

/* ---- all ------------------------------------------------------------------------------------ */

static void show_progress(const struct playing_all *all)
{
    size_t done = all->members_done < all->members_count ? all->members_done : all->members_count;
    int full = all->members_count > 0 ? (int)(done * BAR_WIDTH / all->members_count) : 0;

    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r[%.*s%*s] %zu of %zu causes tried", full,
                  "##############################", BAR_WIDTH - full, "", done, all->members_count);
    if (!is_any_running(all))
        (void)fprintf(stderr, "\r%*s\r", BAR_WIDTH + 40, "");
    (void)fflush(stderr);
}

static void look(struct playing_all *all)
{
    struct pollfd fds[LABS_AT_A_TIME];

    for (size_t i = 0; i < LABS_AT_A_TIME; i++)
        fds[i] = (struct pollfd){ .fd = all->labs[i].fd, .events = POLLIN };
    (void)poll(fds, LABS_AT_A_TIME, 1000);
    for (size_t i = 0; i < LABS_AT_A_TIME; i++) {
        struct lab *lab = &all->labs[i];

        if (lab->fd >= 0 && fds[i].revents != 0)
            read_words(all, lab);
        else if (lab->fd >= 0 && clock_now_ms() > lab->until_ms)
            (void)kill(lab->pid, SIGKILL); /* its hops end with it; the pipe tells */
    }
}

void trials_run(const struct cause_table *table, const struct ranking *ranking,
                const struct pasted *pasted, struct trials *ret)
{
    struct playing_all all = { .table = table, .pasted = pasted, .trials = ret };
    uint64_t begin_ms = clock_now_ms();

    *ret = (struct trials){ .count = ranking->count };
    for (size_t i = 0; i < ranking->count; i++)
        ret->list[i].cause = ranking->causes[i];
    for (size_t i = 0; i < LABS_AT_A_TIME; i++)
        all.labs[i].fd = -1;
    all.groups_count = trial_groups(ret, pasted, all.groups);
    for (size_t i = 0; i < all.groups_count; i++)
        all.members_count += all.groups[i].count;
    start_some(&all);
    while (is_any_running(&all)) {
        show_progress(&all);
        look(&all);
        start_some(&all);
    }
    show_progress(&all);
    ret->seconds = (double)(clock_now_ms() - begin_ms) / 1000;
}

void trials_done(struct trials *trials)
{
    for (size_t i = 0; i < trials->count; i++) {
        for (size_t k = 0; k < PASTED_LINES_MAX; k++)
            free(trials->list[i].said[k]);
        free(trials->list[i].beside);
    }
    trials->count = 0;
}
