#include "proxy/exchange/gathered_content.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/worker/admin_question.h"

enum { ROOM_MIN = 4096 };

static bool make_room(struct gathered_content *content, size_t needed)
{
    size_t room = content->room ? content->room : ROOM_MIN;
    char *grown;

    while (room < needed)
        room *= 2;
    if (room == content->room)
        return true;
    grown = realloc(content->bytes, room);
    if (!grown)
        return false;
    content->bytes = grown;
    content->room = room;
    return true;
}

int gathered_content_add(struct gathered_content *content, struct buf *from)
{
    size_t length = from->length;

    if (!admin_content_count(content->hop, (int64_t)length))
        return -EBUSY;
    if (!make_room(content, content->length + length)) {
        (void)admin_content_count(content->hop, -(int64_t)length);
        return -ENOMEM;
    }
    content->length += buf_peek(from, content->bytes + content->length, length);
    buf_consume(from, length);
    return 0;
}

void gathered_content_done(struct gathered_content *content)
{
    (void)admin_content_count(content->hop, -(int64_t)content->length);
    free(content->bytes);
    *content = (struct gathered_content){ .hop = content->hop };
}
