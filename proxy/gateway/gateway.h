/*
 * gateway: runs one hop, from checked configuration to clean exit.
 *
 * Role    wires settings, entities, persona, TLS, targets, listeners, workers and signals
 * Owns    all of it while it runs
 * Thread  the main thread; signals arrive here only
 */
#ifndef PROXY_GATEWAY_H
#define PROXY_GATEWAY_H

struct config_source;

/*
 * Runs until a signal says stop. Prints `hopgate: ready` with the addresses on standard error once
 * every listener accepts.
 *
 *   TERM, INT  accept no more, let running exchanges end (hopgate_shutdown_timeout), then exit
 *   QUIT       the same (nginx's graceful stop)
 *   a second TERM, INT or QUIT aborts what is left
 *   HUP        reads the configuration again; a bad one changes nothing
 *   USR2       starts the binary anew, hands the sockets over and drains: see upgrade.h
 *
 * Other results than GATEWAY_STOPPED were explained on standard error.
 */
enum gateway_result { GATEWAY_STOPPED, GATEWAY_BAD_CONFIG, GATEWAY_FAILED };

enum gateway_result gateway_run(const struct config_source *source);

#endif
