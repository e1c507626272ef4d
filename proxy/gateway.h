/*
 * gateway: runs one hop, from checked configuration to clean exit.
 *
 * Role    wires settings, entities, persona, TLS, targets, listeners, workers and signals
 * Owns    all of it while it runs
 * Thread  the main thread; signals arrive here only
 */
#ifndef PROXY_GATEWAY_H
#define PROXY_GATEWAY_H

#include "config/config.h"

/*
 * Runs until a signal says stop. Prints `hopgate: ready` with the addresses on standard error once
 * every listener accepts.
 *
 *   TERM, INT  accept no more, let running exchanges end (hopgate_shutdown_timeout), then exit
 *   QUIT       the same (nginx's graceful stop)
 *   a second TERM, INT or QUIT aborts what is left
 *
 * Problems of configuration are added to errors. 0: stopped in order; GATEWAY_BAD_CONFIG: see
 * errors; GATEWAY_FAILED: the reason was printed on standard error.
 */
enum gateway_result { GATEWAY_STOPPED, GATEWAY_BAD_CONFIG, GATEWAY_FAILED };

enum gateway_result gateway_run(const struct settings *settings, const struct config *config,
                                struct config_errors *errors);

/* What gateway_run checks before it opens anything: persona, certificates, their keys. */
void gateway_check(const struct settings *settings, const struct config *config,
                   struct config_errors *errors);

#endif
