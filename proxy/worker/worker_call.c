/* Letters of other threads to a worker, and work that they have it do. */
#include "proxy/worker/worker.h"

bool worker_post(struct worker *worker, struct mail *mail)
{
    bool takes_it;

    pthread_mutex_lock(&worker->lock);
    takes_it = worker->takes_orders;
    if (takes_it)
        loop_send(worker->loop, mail);
    pthread_mutex_unlock(&worker->lock);
    return takes_it;
}

void worker_deliver_relieve(struct mail *mail, struct loop *loop)
{
    struct worker *worker = ((struct worker_order *)mail)->worker;

    (void)loop;
    atomic_store(&worker->relieve_ordered, false); /* from here on the letter may be sent again */
    memory_relief_begin(worker);
}

void worker_relieve(struct worker *worker)
{
    if (atomic_exchange(&worker->relieve_ordered, true))
        return;
    if (!worker_post(worker, &worker->relieve_order.mail))
        atomic_store(&worker->relieve_ordered, false);
}

void worker_deliver_call(struct mail *mail, struct loop *loop)
{
    struct worker *worker = ((struct worker_order *)mail)->worker;
    bool is_wanted;

    (void)loop;
    pthread_mutex_lock(&worker->lock);
    is_wanted = worker->call_state == WORKER_CALL_POSTED; /* else the thread ends, nobody waits */
    if (is_wanted)
        worker->call_state = WORKER_CALL_RUNNING;
    pthread_mutex_unlock(&worker->lock);
    if (!is_wanted)
        return;
    worker->called(worker, worker->call_argument);
    pthread_mutex_lock(&worker->lock);
    worker->call_state = WORKER_CALL_NONE;
    pthread_cond_signal(&worker->call_ended);
    pthread_mutex_unlock(&worker->lock);
}

bool worker_call(struct worker *worker, void (*run)(struct worker *worker, void *argument),
                 void *argument)
{
    bool was_run = false;

    pthread_mutex_lock(&worker->lock);
    if (worker->takes_orders) {
        worker->called = run;
        worker->call_argument = argument;
        worker->call_state = WORKER_CALL_POSTED;
        loop_send(worker->loop, &worker->call_order.mail);
        while (worker->call_state == WORKER_CALL_RUNNING ||
               (worker->call_state == WORKER_CALL_POSTED && worker->takes_orders))
            pthread_cond_wait(&worker->call_ended, &worker->lock);
        was_run = worker->call_state == WORKER_CALL_NONE;
        worker->call_state = WORKER_CALL_NONE;
    }
    pthread_mutex_unlock(&worker->lock);
    return was_run;
}
