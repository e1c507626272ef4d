/* Any bytes as requests in a row to an origin: heads and contents are the same however they are cut. */
#include <stdarg.h>

#include "tests/fuzz/fuzz_input.h"
#include "tools/origin/request.h"

enum { REQUESTS_MAX = 16, ACCOUNT_BYTES_MAX = 1 << 16 };

struct account {
    char text[ACCOUNT_BYTES_MAX];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void tell(struct account *account, const char *format,
                                                       ...)
{
    size_t room = sizeof(account->text) - account->length;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(account->text + account->length, room, format, args);
    va_end(args);
    account->length += length > 0 && (size_t)length < room ? (size_t)length : 0;
}

static void check_inside(const struct request_head *head, struct slice part)
{
    require(part.len == 0 ||
                (part.ptr >= head->bytes && part.ptr + part.len <= head->bytes + head->length),
            "a part of a head lies in its bytes");
}

static void tell_head(struct account *account, const struct request_head *head)
{
    check_inside(head, head->method);
    check_inside(head, head->target);
    check_inside(head, head->path);
    check_inside(head, head->query);
    check_inside(head, head->version);
    for (size_t i = 0; i < head->fields_count; i++) {
        check_inside(head, head->fields[i].name);
        check_inside(head, head->fields[i].value);
    }
    tell(account, "head %zu, %zu %zu %zu, %zu fields, framing %d %llu, close %d\n", head->length,
         head->method.len, head->path.len, head->query.len, head->fields_count, head->framing,
         (unsigned long long)head->content_length, head->wants_close);
}

struct reading {
    struct account *account;
    struct request_head head;
    struct request_content content;
    bool in_content;
    unsigned count;
    bool is_over;
};

static void read_what_is_there(struct reading *reading, struct buf *in, struct chunk_pool *pool)
{
    while (!reading->is_over && reading->count < REQUESTS_MAX) {
        if (!reading->in_content) {
            if (request_head_read(&reading->head, in) != REQUEST_DONE)
                return;
            tell_head(reading->account, &reading->head);
            request_content_begin(&reading->content, &reading->head, pool);
            reading->in_content = true;
        }
        if (!request_content_read(&reading->content, in))
            return;
        tell(reading->account, "content %llu %llx broken %d\n",
             (unsigned long long)reading->content.bytes, (unsigned long long)reading->content.hash,
             reading->content.is_broken);
        reading->is_over = reading->content.is_broken;
        reading->in_content = false;
        request_head_done(&reading->head);
        reading->count++;
    }
}

static void read_all(const struct fuzz_input *input, bool is_cut, struct account *account)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct reading reading = { .account = account };
    struct slice rest = input->bytes;
    size_t at = 0;
    struct buf in;

    account->length = 0;
    buf_init(&in, pool);
    while (rest.len > 0) {
        size_t length = rest.len;

        if (is_cut)
            length = at < input->schedule.len ? (unsigned char)input->schedule.ptr[at++] + 1u : 1;
        if (length > rest.len)
            length = rest.len;
        require(buf_append_bytes(&in, rest.ptr, length) == 0, "memory");
        rest = slice_from(rest, length);
        read_what_is_there(&reading, &in, pool);
    }
    if (reading.in_content)
        request_content_done(&reading.content);
    request_head_done(&reading.head);
    buf_done(&in);
    chunk_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct account whole, cut;
    struct fuzz_input input;

    if (!fuzz_input_read(data, size, &input))
        return 0;
    read_all(&input, false, &whole);
    read_all(&input, true, &cut);
    require_same((struct slice){ whole.text, whole.length }, (struct slice){ cut.text, cut.length },
                 "cuts do not matter");
    return 0;
}
