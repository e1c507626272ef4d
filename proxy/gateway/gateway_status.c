/* What the status listeners answer: the figures are gathered here, on the main thread, which may look
 * into /proc and ask the workers. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lb/waiting_line.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/heap.h"
#include "proxy/worker/hop_figures.h"
#include "proxy/worker/status_question.h"
#include "proxy/worker/worker.h"

/* ---- the workers --------------------------------------------------------------------------- */

static void fill_worker(struct worker *worker, void *argument)
{
    struct worker_figures *figures = argument;

    *figures = (struct worker_figures){
        .runs = true,
        .connections_count = worker->clients_count,
        .exchanges_count = worker->exchanges_count,
        .reading_count = worker->reading_count,
        .idle_upstream_count = conn_pool_idle_count(worker->pool),
        .buffer_bytes = chunk_pool_bytes_in_use(worker->loop->pool),
        .ring = *ring_stats(worker->loop->ring),
    };
    for (int i = 0; i < RING_RECV_SIZES; i++)
        figures->receive_buffers_held[i] =
            ring_buffers_held(worker->loop->ring, (enum ring_recv_size)i);
}

/* ---- the process --------------------------------------------------------------------------- */

static void read_memory(struct process_figures *process)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long long virtual_pages = 0, resident_pages = 0;
    struct heap_figures heap;
    FILE *file = fopen("/proc/self/statm", "re");

    /* without /proc there are no such figures */
    if (file && fscanf(file, "%llu %llu", &virtual_pages, &resident_pages) == 2) {
        process->virtual_bytes = virtual_pages * page_bytes;
        process->resident_bytes = resident_pages * page_bytes;
    }
    if (file)
        (void)fclose(file);
    if (heap_look(&heap))
        process->heap_bytes = heap.in_use_bytes + heap.mapped_bytes;
}

static void count_files(struct process_figures *process)
{
    struct rlimit limit = { 0 };
    DIR *directory = opendir("/proc/self/fd");

    (void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail with these arguments */
    process->files_max = limit.rlim_cur;
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        process->files_count += entry->d_name[0] != '.';
    if (directory) {
        process->files_count--; /* the directory itself */
        (void)closedir(directory);
    }
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static struct process_figures process_figures(const struct gateway *gateway)
{
    struct process_figures process = { .pid = (int)getpid(),
                                       .started_at_unix_s = gateway->started_at_unix_s };
    struct rusage usage = { 0 };

    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail with these arguments */
    process.cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    read_memory(&process);
    count_files(&process);
    return process;
}

static struct memory_figures memory_figures(const struct memory_budget *budget)
{
    struct memory_figures memory = { .limit_bytes = memory_budget_limit(budget),
                                     .level = memory_budget_level(budget) };

    for (int i = 0; i < MEMORY_OWNERS; i++)
        memory.used_bytes[i] = memory_budget_used_by(budget, (enum memory_owner)i);
    return memory;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* "kong/3.9.3" -> "3.9.3" */
static const char *version_of(const char *product)
{
    const char *slash = strchr(product, '/');

    return slash ? slash + 1 : product;
}

static struct hop_figures gather(struct gateway *gateway, struct worker_figures *workers)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    const struct reload_result *reload = &gateway->last_reload;
    struct config_store_state store = config_store_state(&gateway->config);

    for (unsigned i = 0; i < gateway->workers_started; i++)
        (void)worker_call(&gateway->workers[i], fill_worker, &workers[i]); /* ended: all 0 */
    return (struct hop_figures){
        .node_id = gateway->node_id,
        .kong_version = version_of(
            (snapshot->local_persona ? snapshot->local_persona : snapshot->persona)->product),
        .metrics = gateway->hop.metrics,
        .snapshot = snapshot,
        .workers = workers,
        .workers_count = gateway->workers_started,
        .process = process_figures(gateway),
        .reload = { reload->was_tried, reload->succeeded, reload->at_unix_s,
                    reload->succeeded_count, reload->failed_count },
        .log = log_counters(),
        .spool_bytes = atomic_load_explicit(&gateway->hop.spool.bytes, memory_order_relaxed),
        .memory = memory_figures(gateway->hop.memory),
        .queued_count = waiting_lines_count(gateway->hop.waiting_lines),
        .draining = gateway->draining,
        .store_fails = store.problem[0] != '\0',
        .store_lags = store.lags_since_unix_s > 0,
    };
}

int gateway_status_answer(struct gateway *gateway, const char *path, struct status_answer *ret)
{
    const struct status_request request = { .method = HTTP_METHOD_GET, .path = slice_of(path) };
    struct worker_figures *workers = calloc(gateway->workers_started + 1, sizeof(*workers));
    struct status_facts facts = { 0 };
    struct hop_figures figures;
    enum status_verdict verdict;

    if (!workers)
        return -ENOMEM;
    figures = gather(gateway, workers);
    facts.figures = &figures;
    verdict = status_api_answer(&request, &facts, ret);
    free(workers);
    return verdict == STATUS_ANSWERED ? 0 : -ENOMEM;
}

static void answer(struct status_question *question, const struct status_facts *facts)
{
    struct status_answer made;

    status_question_answer(
        question,
        status_api_answer(&question->request, facts, &made) == STATUS_ANSWERED ? &made : NULL);
}

/* All that wait get the same figures: asking often costs no more than asking once. */
void gateway_answer_questions(struct gateway *gateway)
{
    struct hop_question *question = hop_questions_take(&gateway->hop.questions);
    struct worker_figures *workers;
    struct hop_figures figures;
    struct status_facts facts = { 0 };

    if (!question)
        return;
    workers = calloc(gateway->workers_started + 1, sizeof(*workers));
    if (workers) {
        figures = gather(gateway, workers);
        facts.figures = &figures;
    }
    while (question) {
        struct hop_question *next = hop_question_next(question);

        answer((struct status_question *)question, &facts);
        question = next;
    }
    free(workers);
}
