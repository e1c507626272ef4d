/*
 * dns_answer: reads the records of a DNS message.
 *
 * Role    bytes in, records out; for SRV because c-ares tells no time to live of these
 * Owns    what is added to a name_answer; srv_records their names
 * Thread  any
 */
#ifndef LB_DNS_ANSWER_H
#define LB_DNS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "lb/name_record.h"

enum { SRV_RECORDS_MAX = 64 };

struct srv_record {
    char *host;            /* never NULL or empty */
    uint16_t port, weight; /* 0: none given */
};

/* 0 would never be picked. */
static inline uint32_t srv_record_weight(const struct srv_record *record)
{
    return record->weight > 0 ? record->weight : 1;
}

/* Of the best priority only (RFC 2782). */
struct srv_records {
    struct srv_record items[SRV_RECORDS_MAX];
    size_t count;
    uint32_t ttl_s;
};

/* Adds the addresses of an A or AAAA answer; ttl_s becomes the least of all. NAME_FOUND, NAME_EMPTY,
 * NAME_BAD_ANSWER or NAME_NO_MEMORY. `like` is what each is to have: port and weight. */
enum name_outcome dns_answer_addresses(const unsigned char *bytes, size_t length,
                                       enum dns_type type, const struct srv_record *like,
                                       struct name_answer *answer);

/* `records` is fresh; call srv_records_done whatever the outcome. */
enum name_outcome dns_answer_srv(const unsigned char *bytes, size_t length,
                                 struct srv_records *records);
void srv_records_done(struct srv_records *records);

#endif
