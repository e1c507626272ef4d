#include "proxy/gateway/main_calls.h"

#include "proxy/worker/hop.h"

void main_calls_init(struct main_calls *calls, const struct hop *hop)
{
    *calls = (struct main_calls){ .hop = hop };
    (void)pthread_mutex_init(&calls->lock, NULL); /* cannot fail with default attributes on Linux */
    (void)pthread_cond_init(&calls->changed, NULL);
}

void main_calls_done(struct main_calls *calls)
{
    (void)pthread_cond_destroy(&calls->changed);
    (void)pthread_mutex_destroy(&calls->lock);
}

bool main_calls_ask(struct main_calls *calls, void (*run)(void *argument), void *argument)
{
    bool was_run;

    pthread_mutex_lock(&calls->lock);
    if (!calls->is_closed) {
        calls->run = run;
        calls->argument = argument;
        calls->state = MAIN_CALLS_POSTED;
        hop_ring_doorbell(calls->hop);
    }
    while (calls->state == MAIN_CALLS_RUNNING ||
           (calls->state == MAIN_CALLS_POSTED && !calls->is_closed))
        pthread_cond_wait(&calls->changed, &calls->lock);
    was_run = calls->state == MAIN_CALLS_RAN;
    calls->state = MAIN_CALLS_IDLE;
    pthread_mutex_unlock(&calls->lock);
    return was_run;
}

void main_calls_serve(struct main_calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    if (calls->state == MAIN_CALLS_POSTED && !calls->is_closed) {
        calls->state = MAIN_CALLS_RUNNING;
        pthread_mutex_unlock(&calls->lock);
        calls->run(calls->argument);
        pthread_mutex_lock(&calls->lock);
        calls->state = MAIN_CALLS_RAN;
        pthread_cond_signal(&calls->changed);
    }
    pthread_mutex_unlock(&calls->lock);
}

void main_calls_close(struct main_calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    calls->is_closed = true;
    pthread_cond_signal(&calls->changed);
    pthread_mutex_unlock(&calls->lock);
}
