#include "lb/dns_answer.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/cleanup.h"

enum {
    ADDRESSES_MAX = 256,
    HEADER_BYTES = 12,
    QUESTION_FIXED_BYTES = 4,
    RECORD_FIXED_BYTES = 10,
    SRV_FIXED_BYTES = 6
};

static enum name_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return NAME_FOUND;
    case ARES_ENODATA:
        return NAME_EMPTY;
    case ARES_ENOMEM:
        return NAME_NO_MEMORY;
    default:
        return NAME_BAD_ANSWER;
    }
}

static enum name_outcome add_one(struct name_answer *answer, const struct sockaddr_storage *address,
                                 const struct srv_record *like, int ttl)
{
    struct name_address item = { .address = *address };
    uint32_t ttl_s = ttl > 0 ? (uint32_t)ttl : 0; /* RFC 2181 section 8: the high bit means 0 */

    if (like) {
        addr_set_port(&item.address, like->port);
        item.weight = srv_record_weight(like);
        item.host_id = name_host_id(like->host);
    }
    if (ttl_s < answer->ttl_s)
        answer->ttl_s = ttl_s;
    return name_answer_add(answer, &item) < 0 ? NAME_NO_MEMORY : NAME_FOUND;
}

enum name_outcome dns_answer_addresses(const unsigned char *bytes, size_t length,
                                       enum dns_type type, const struct srv_record *like,
                                       struct name_answer *answer)
{
    struct ares_addrttl four[ADDRESSES_MAX];
    struct ares_addr6ttl six[ADDRESSES_MAX];
    int count = ADDRESSES_MAX;
    int status = type == DNS_A ? ares_parse_a_reply(bytes, (int)length, NULL, four, &count)
                               : ares_parse_aaaa_reply(bytes, (int)length, NULL, six, &count);
    enum name_outcome outcome = outcome_of(status);

    if (outcome == NAME_FOUND && count == 0) /* a CNAME that leads nowhere */
        return NAME_EMPTY;
    for (int i = 0; outcome == NAME_FOUND && i < count; i++) {
        struct sockaddr_storage address = { 0 };

        if (type == DNS_A)
            memcpy(&address,
                   &(struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = four[i].ipaddr },
                   sizeof(struct sockaddr_in));
        else {
            struct sockaddr_in6 *address6 = (struct sockaddr_in6 *)&address;

            address6->sin6_family = AF_INET6;
            memcpy(&address6->sin6_addr, &six[i].ip6addr, sizeof(address6->sin6_addr));
        }
        outcome = add_one(answer, &address, like, type == DNS_A ? four[i].ttl : six[i].ttl);
    }
    return outcome;
}

/* ---- SRV ----------------------------------------------------------------------------------- */

struct cursor {
    const unsigned char *bytes, *at;
    size_t length;
};

static size_t left(const struct cursor *cursor)
{
    return cursor->length - (size_t)(cursor->at - cursor->bytes);
}

static uint16_t read_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* 0; -ENOMEM; or -EINVAL: the message ends within the name, or the name is none. ret NULL: only
 * skipped. */
static int take_name(struct cursor *cursor, char **ret)
{
    char *name;
    long encoded;
    int status = ares_expand_name(cursor->at, cursor->bytes, (int)cursor->length, &name, &encoded);
    int r = -EINVAL;

    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    if (encoded >= 0 && (size_t)encoded <= left(cursor)) {
        cursor->at += encoded;
        r = 0;
    }
    if (r == 0 && ret) {
        *ret = strdup(name);
        r = *ret ? 0 : -ENOMEM;
    }
    ares_free_string(name);
    return r;
}

/* 0 or -ENOMEM; a record that makes no sense is left out. */
static int add_srv(struct srv_records *records, struct cursor data, uint16_t *best)
{
    struct srv_record *record = &records->items[records->count];
    uint16_t priority;
    int r;

    if (left(&data) < SRV_FIXED_BYTES)
        return 0;
    priority = read_u16(data.at);
    if (priority > *best)
        return 0;
    if (priority < *best) {
        uint32_t ttl_s = records->ttl_s;

        srv_records_done(records);
        records->ttl_s = ttl_s;
        record = records->items;
    }
    *best = priority;
    if (records->count == SRV_RECORDS_MAX)
        return 0;
    *record = (struct srv_record){ .weight = read_u16(data.at + 2), .port = read_u16(data.at + 4) };
    data.at += SRV_FIXED_BYTES;
    /* "." says that the service is decidedly not there (RFC 2782) */
    r = take_name(&data, &record->host);
    if (r == 0 && record->host[0])
        records->count++;
    else
        free(TAKE(record->host));
    return r == -ENOMEM ? r : 0;
}

/* 0; -ENOMEM; or -EINVAL: the message is cut. */
static int take_record(struct cursor *cursor, struct srv_records *records, uint16_t *best)
{
    struct cursor data;
    uint32_t ttl_s;
    uint16_t type, data_length;
    int r = take_name(cursor, NULL);

    if (r < 0 || left(cursor) < RECORD_FIXED_BYTES)
        return r < 0 ? r : -EINVAL;
    type = read_u16(cursor->at);
    ttl_s = (uint32_t)read_u16(cursor->at + 4) << 16 | read_u16(cursor->at + 6);
    data_length = read_u16(cursor->at + 8);
    cursor->at += RECORD_FIXED_BYTES;
    if (left(cursor) < data_length)
        return -EINVAL;
    data = *cursor;
    cursor->at += data_length;
    if (ttl_s > INT32_MAX)
        ttl_s = 0;
    if ((type == DNS_SRV || type == DNS_CNAME) && ttl_s < records->ttl_s)
        records->ttl_s = ttl_s;
    return type == DNS_SRV ? add_srv(records, data, best) : 0;
}

static int skip_question(struct cursor *cursor)
{
    int r = take_name(cursor, NULL);

    if (r < 0 || left(cursor) < QUESTION_FIXED_BYTES)
        return r < 0 ? r : -EINVAL;
    cursor->at += QUESTION_FIXED_BYTES;
    return 0;
}

enum name_outcome dns_answer_srv(const unsigned char *bytes, size_t length,
                                 struct srv_records *records)
{
    struct cursor cursor = { bytes, bytes + HEADER_BYTES, length };
    uint16_t best = UINT16_MAX;
    unsigned questions, answers;
    int r = 0;

    *records = (struct srv_records){ .ttl_s = INT32_MAX };
    if (length < HEADER_BYTES)
        return NAME_BAD_ANSWER;
    questions = read_u16(bytes + 4);
    answers = read_u16(bytes + 6);
    while (r == 0 && questions-- > 0)
        r = skip_question(&cursor);
    while (r == 0 && answers-- > 0)
        r = take_record(&cursor, records, &best);
    if (r < 0)
        return r == -ENOMEM ? NAME_NO_MEMORY : NAME_BAD_ANSWER;
    return records->count > 0 ? NAME_FOUND : NAME_EMPTY;
}

void srv_records_done(struct srv_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        free(records->items[i].host);
    records->count = 0;
}
