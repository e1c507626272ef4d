#include "proxy/exchange/gathered_content.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/worker/admin_question.h"

enum { ROOM_MIN = 4096 };

static int make_room(struct gathered_content *content, size_t needed)
{
    size_t room = content->room ? content->room : ROOM_MIN;
    char *grown;

    while (room < needed)
        room *= 2;
    if (room == content->room)
        return 0;
    if (!admin_content_count(content->hop, (int64_t)(room - content->room), room))
        return -EBUSY;
    grown = realloc(content->bytes, room);
    if (!grown) {
        (void)admin_content_count(content->hop, -(int64_t)(room - content->room), 0);
        return -ENOMEM;
    }
    content->bytes = grown;
    content->room = room;
    return 0;
}

int gathered_content_add(struct gathered_content *content, struct buf *from)
{
    size_t length = from->length;
    int r = make_room(content, content->length + length);

    if (r < 0)
        return r;
    content->length += buf_peek(from, content->bytes + content->length, length);
    buf_consume(from, length);
    return 0;
}

void gathered_content_done(struct gathered_content *content)
{
    (void)admin_content_count(content->hop, -(int64_t)content->room, 0);
    admin_answer_sent(content->hop, content->answer_bytes);
    free(content->bytes);
    *content = (struct gathered_content){ .hop = content->hop };
}
