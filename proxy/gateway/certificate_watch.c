#include "proxy/gateway/certificate_watch.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum { SECONDS_PER_DAY = 86400 };

struct certificate_memory {
    char sha256[65];
    enum certificate_alarm alarm; /* the most urgent one that was told */
};

static const int days_before[] = { [CERTIFICATE_30_DAYS] = 30,
                                   [CERTIFICATE_14_DAYS] = 14,
                                   [CERTIFICATE_3_DAYS] = 3,
                                   [CERTIFICATE_EXPIRED] = 0 };

static int64_t alarm_at_s(const struct served_certificate *certificate,
                          enum certificate_alarm alarm)
{
    return certificate->not_after_s - (int64_t)days_before[alarm] * SECONDS_PER_DAY;
}

enum certificate_alarm certificate_alarm(const struct served_certificate *certificate,
                                         int64_t now_s)
{
    enum certificate_alarm alarm = CERTIFICATE_EXPIRED;

    while (alarm > CERTIFICATE_FINE && now_s < alarm_at_s(certificate, alarm))
        alarm--;
    return alarm;
}

/* Mostly it stands where it stood before. */
static enum certificate_alarm told_of(const struct certificate_watch *watch, const char *sha256,
                                      size_t place)
{
    if (place < watch->told_count && strcmp(watch->told[place].sha256, sha256) == 0)
        return watch->told[place].alarm;
    for (size_t i = 0; i < watch->told_count; i++)
        if (strcmp(watch->told[i].sha256, sha256) == 0)
            return watch->told[i].alarm;
    return CERTIFICATE_FINE;
}

static void tell(const struct served_certificate *certificate, const char *label, int64_t now_s)
{
    long long days = (certificate->not_after_s - now_s) / SECONDS_PER_DAY;

    if (certificate->not_after_s <= now_s)
        log_error(
            LOG_LEVEL_ERROR,
            "%s: certificate \"%s\" (serial %s) expired on %s: clients refuse it; renew it and "
            "reload",
            label, certificate->name, certificate->serial, certificate->not_after);
    else
        log_error(LOG_LEVEL_WARN,
                  "%s: certificate \"%s\" (serial %s) expires in %lld day%s, on %s; renew it and "
                  "reload",
                  label, certificate->name, certificate->serial, days, days == 1 ? "" : "s",
                  certificate->not_after);
}

/* Seconds until the next alarm of this certificate; SECONDS_PER_DAY when that is longer. */
static int64_t next_alarm_s(const struct served_certificate *certificate, int64_t now_s)
{
    for (int alarm = CERTIFICATE_30_DAYS; alarm <= CERTIFICATE_EXPIRED; alarm++) {
        int64_t left_s = alarm_at_s(certificate, (enum certificate_alarm)alarm) - now_s;

        if (left_s > 0)
            return left_s < SECONDS_PER_DAY ? left_s : SECONDS_PER_DAY;
    }
    return SECONDS_PER_DAY;
}

uint64_t certificate_watch_check(struct certificate_watch *watch,
                                 const struct served_certificates *served, int64_t now_s,
                                 certificate_label *label, void *owner)
{
    struct certificate_memory *told = calloc(served->count + 1, sizeof(*told));
    int64_t wait_s = SECONDS_PER_DAY;

    for (size_t i = 0; i < served->count; i++) {
        const struct served_certificate *certificate = &served->items[i];
        enum certificate_alarm alarm = certificate_alarm(certificate, now_s);
        enum certificate_alarm before = told_of(watch, certificate->sha256, i);
        int64_t next_s = next_alarm_s(certificate, now_s);

        if (alarm > before)
            tell(certificate, label(owner, certificate->index), now_s);
        if (told) {
            memcpy(told[i].sha256, certificate->sha256, sizeof(told[i].sha256));
            told[i].alarm = alarm > before ? alarm : before;
        }
        if (next_s < wait_s)
            wait_s = next_s;
    }
    if (told) { /* else it may be told once more: better than to forget an alarm */
        free(watch->told);
        watch->told = told;
        watch->told_count = served->count;
    }
    return (uint64_t)wait_s * 1000;
}

void certificate_watch_done(struct certificate_watch *watch)
{
    free(watch->told);
    *watch = (struct certificate_watch){ 0 };
}
