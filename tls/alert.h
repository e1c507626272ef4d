/*
 * alert: the alerts of TLS by name, and what each usually means on a connection to a target.
 *
 * Role    a number of RFC 8446 6.2 as words for logs and reports
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_ALERT_H
#define TLS_ALERT_H

/* "certificate_required" (the registry's spelling); "unknown_alert" for a number without a name. */
const char *alert_name(int number);

/* What who sent it may have had in mind; NULL: the name says it all. */
const char *alert_meaning(int number);

#endif
