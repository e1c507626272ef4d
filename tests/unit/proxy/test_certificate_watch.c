/*
 * test_certificate_watch: each alarm of a certificate is told once, also over a reload, and the next
 * look is taken when the next alarm is due.
 */
#include "proxy/gateway/certificate_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"
#include "tests/check.h"

enum { DAY_S = 86400, NOW_S = 1000 * DAY_S };

static char log_path[] = "/tmp/certificate_watch.XXXXXX";

static const char *label(void *owner, size_t index)
{
    (void)owner;
    return index == 0 ? "ssl_cert" : "certificates[0]";
}

static struct served_certificate ends_in_days(const char *name, int days)
{
    struct served_certificate certificate = { .not_after_s = NOW_S + (int64_t)days * DAY_S + 3600 };

    (void)snprintf(certificate.name, sizeof(certificate.name), "%s", name);
    (void)snprintf(certificate.sha256, sizeof(certificate.sha256), "%s", name);
    return certificate;
}

TEST(alarm_follows_the_days_that_are_left)
{
    static const struct {
        int days;
        enum certificate_alarm alarm;
    } rows[] = {
        { 100, CERTIFICATE_FINE },   { 30, CERTIFICATE_FINE },    { 29, CERTIFICATE_30_DAYS },
        { 14, CERTIFICATE_30_DAYS }, { 13, CERTIFICATE_14_DAYS }, { 3, CERTIFICATE_14_DAYS },
        { 2, CERTIFICATE_3_DAYS },   { 0, CERTIFICATE_3_DAYS },   { -1, CERTIFICATE_EXPIRED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct served_certificate certificate = ends_in_days("a", rows[i].days);

        CHECK_INT(certificate_alarm(&certificate, NOW_S), rows[i].alarm);
    }
}

/* Lines that the watch has written so far. */
static unsigned lines_told(void)
{
    FILE *file = fopen(log_path, "r");
    unsigned lines = 0;

    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    (void)fclose(file);
    return lines;
}

static struct log_file *open_log(void)
{
    char error[128];
    int fd = mkstemp(log_path);
    struct log_file *file;

    assert_true(fd >= 0);
    (void)close(fd);
    CHECK_INT(log_start(0), 0);
    file = log_open(log_path, error, sizeof(error));
    assert_non_null(file);
    log_set_error_file(file, LOG_LEVEL_NOTICE);
    return file;
}

TEST(each_alarm_is_told_once_per_certificate)
{
    struct served_certificate items[] = { ends_in_days("a", 20), ends_in_days("b", 100) };
    struct served_certificate other_order[] = { items[1], items[0] };
    const struct served_certificates served = { items, 2 }, reloaded = { other_order, 2 };
    struct certificate_watch watch = { 0 };
    const struct {
        const struct served_certificates *served;
        int64_t at_s;
    } looks[] = {
        { &served, NOW_S },               /* a: 30 days */
        { &served, NOW_S + DAY_S },       /* nothing new */
        { &reloaded, NOW_S + DAY_S },     /* nor after a reload */
        { &reloaded, NOW_S + 7 * DAY_S }, /* a: 14 days */
        { &served, NOW_S + 18 * DAY_S },  /* a: 3 days */
        { &served, NOW_S + 30 * DAY_S },  /* a: expired */
        { &served, NOW_S + 40 * DAY_S },  /* nothing new */
        { &served, NOW_S + 98 * DAY_S },  /* b: 3 days, the others are passed over */
    };

    (void)open_log();
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        (void)certificate_watch_check(&watch, looks[i].served, looks[i].at_s, label, NULL);
    certificate_watch_done(&watch);
    log_set_error_file(NULL, LOG_LEVEL_NOTICE);
    log_stop(); /* writes all that was told */
    CHECK_INT(lines_told(), 5);
    (void)unlink(log_path);
}

TEST(next_look_is_when_the_next_alarm_is_due)
{
    struct served_certificate fine = ends_in_days("a", 100), soon = ends_in_days("b", 30);
    struct certificate_watch watch = { 0 };

    CHECK_INT(certificate_watch_check(&watch, &(struct served_certificates){ &fine, 1 }, NOW_S,
                                      label, NULL),
              DAY_S * 1000);
    CHECK_INT(certificate_watch_check(&watch, &(struct served_certificates){ &soon, 1 }, NOW_S,
                                      label, NULL),
              3600 * 1000);
    CHECK_INT(certificate_watch_check(&watch, &(struct served_certificates){ NULL, 0 }, NOW_S,
                                      label, NULL),
              DAY_S * 1000);
    certificate_watch_done(&watch);
}

TESTS(TEST_CASE(alarm_follows_the_days_that_are_left),
      TEST_CASE(each_alarm_is_told_once_per_certificate),
      TEST_CASE(next_look_is_when_the_next_alarm_is_due))
