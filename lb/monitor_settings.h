/*
 * monitor_settings: what a monitor asks the targets of an upstream, and how it judges the answers.
 *
 * Role    Kong's active checks and an F5's monitors, in one form
 * Owns    copies of its texts, compiled patterns, a reference to the TLS configuration
 * Thread  made on the main thread, then read by the monitors' thread only
 */
#ifndef LB_MONITOR_SETTINGS_H
#define LB_MONITOR_SETTINGS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/health.h"

struct tls_client_config;

enum monitor_judge {
    MONITOR_BY_STATUS,  /* Kong: the status line, counted against limits */
    MONITOR_BY_CONNECT, /* Kong's tcp: it opens; counted */
    MONITOR_BY_RECEIVE, /* F5: a pattern in what comes (or that it opens), within a time */
};

struct monitor_options {
    enum monitor_judge judge;
    /* ms. Counted: while (mostly) healthy, and else; 0: no probe. By receive: while up, and else. */
    uint64_t healthy_interval_ms, unhealthy_interval_ms;
    uint64_t timeout_ms; /* counted: of each step; by receive: without success the target is down */
    uint64_t time_until_up_ms;             /* of successes, by receive only */
    unsigned concurrency;                  /* probes at a time; 0: no limit */
    struct health_rules rules;             /* counted only */
    struct tls_client_config *tls;         /* NULL: plain; referenced */
    const char *receive, *receive_disable; /* POSIX extended patterns; NULL: none */
    bool reverse;                          /* the receive pattern takes it down */
    bool is_silent; /* nothing is sent, nothing is waited for: that it opens is enough */
};

struct monitor_settings {
    struct monitor_options options; /* its texts are NULL */
    regex_t receive, receive_disable;
    bool has_receive, has_receive_disable;
    uint64_t identity; /* equal for equal options, but for a hash collision */
};

/* NULL: no memory, or a pattern that does not compile. */
struct monitor_settings *monitor_settings_create(const struct monitor_options *options);
void monitor_settings_free(struct monitor_settings *settings); /* accepts NULL */

/* `text` of `length` bytes, whatever they are, has the pattern. */
bool monitor_settings_match(const regex_t *pattern, const char *text, size_t length);

/*
 * The status of "HTTP/1.1 200 OK" and what follows it; 0: it is something else; -1: the line is not
 * complete.
 */
int monitor_status_of(const char *text, size_t length);

#endif
