/* What signals ask for, and the two ways to end. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/log.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/worker/worker.h"

static void reopen_logs(void)
{
    char reason[512];

    if (log_reopen(reason, sizeof(reason)) == 0)
        log_error(LOG_LEVEL_NOTICE, "logs are open again");
    else
        log_error(LOG_LEVEL_ERROR, "%s", reason);
}

static const int known_signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

int gateway_open_ending_fd(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void gateway_block_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    for (size_t i = 0; i < sizeof(known_signals) / sizeof(known_signals[0]); i++)
        sigaddset(ret_set, known_signals[i]);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of its write */
}

void gateway_drain(struct gateway *gateway)
{
    upgrade_cancel(gateway);
    gateway->draining = gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true);
    service_notify("STOPPING=1");
    gateway_pause_monitors(gateway);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_drain(&gateway->workers[i]);
}

void gateway_stop(struct gateway *gateway)
{
    upgrade_cancel(gateway);
    former_stop(gateway->former);
    gateway->draining = gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_stop(&gateway->workers[i]);
}

static void drain_or_stop(struct gateway *gateway, int number)
{
    bool again = gateway->told_to_drain;

    gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true); /* before anybody can read that it does */
    log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received%s", number, strsignal(number),
              again ? " again, stopping" : ", draining");
    if (again)
        gateway_stop(gateway);
    else if (!gateway->draining) /* else an upgrade has begun it */
        gateway_drain(gateway);
}

static void reload_on_signal(struct gateway *gateway, int number)
{
    const char *why_not = gateway->draining               ? "ignored while draining"
                          : upgrade_is_under_way(gateway) ? "ignored during an upgrade"
                                                          : NULL;

    log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, %s", number, strsignal(number),
              why_not ? why_not : "reloading");
    if (!why_not)
        (void)gateway_reload(gateway); /* the log says how it went */
}

static void on_signal(struct gateway *gateway, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        drain_or_stop(gateway, number);
        return;
    case SIGHUP:
        reload_on_signal(gateway, number);
        return;
    case SIGUSR1:
        log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, reopening logs", number,
                  strsignal(number));
        reopen_logs();
        return;
    case SIGUSR2:
        log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, upgrading", number,
                  strsignal(number));
        upgrade_on_signal(gateway);
        return;
    }
}

void gateway_take_signals(struct gateway *gateway, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(gateway, (int)info.ssi_signo);
}
