/*
 * certificate_watch: warns before served certificates end.
 *
 * Role    one line in the error log per certificate at 30, 14 and 3 days, and when it has expired
 * Owns    what was told of each certificate
 * Thread  the main thread; time is given by the caller
 *
 * The same certificate is known by its fingerprint again after a reload, so it is not told twice; it
 * is forgotten when no configuration serves it any more.
 */
#ifndef PROXY_CERTIFICATE_WATCH_H
#define PROXY_CERTIFICATE_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "tls/served_certificates.h"

/* Ascending in urgency. */
enum certificate_alarm {
    CERTIFICATE_FINE,
    CERTIFICATE_30_DAYS,
    CERTIFICATE_14_DAYS,
    CERTIFICATE_3_DAYS,
    CERTIFICATE_EXPIRED,
};

struct certificate_memory;

/* Zeroed: nothing was told yet. */
struct certificate_watch {
    struct certificate_memory *told;
    size_t told_count;
};

enum certificate_alarm certificate_alarm(const struct served_certificate *certificate,
                                         int64_t now_s);

/* label: where the certificate with that index comes from ("ssl_cert"), for the line. */
typedef const char *certificate_label(void *owner, size_t index);

/*
 * Logs what is due and was not told. Returns when to look again, in ms from now: when the next alarm
 * is due, at most a day.
 */
uint64_t certificate_watch_check(struct certificate_watch *watch,
                                 const struct served_certificates *served, int64_t now_s,
                                 certificate_label *label, void *owner);
void certificate_watch_done(struct certificate_watch *watch);

#endif
