#include "loop/broadcast.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 256

struct member {
    struct loop *loop;
    broadcast_fn *heard;
    void *owner;
};

struct broadcast {
    size_t message_size, member_count;
    struct member members[MEMBERS_MAX];
};

struct told {
    struct mail mail;
    const struct member *member;
    char message[];
};

struct broadcast *broadcast_new(size_t message_size)
{
    struct broadcast *broadcast = xcalloc(1, sizeof(*broadcast));
    broadcast->message_size = message_size;
    return broadcast;
}

void broadcast_free(struct broadcast **broadcast)
{
    free(TAKE_PTR(*broadcast));
}

void broadcast_join(struct broadcast *broadcast, struct loop *loop, broadcast_fn *heard, void *owner)
{
    assert(broadcast->member_count < MEMBERS_MAX);
    broadcast->members[broadcast->member_count++] = (struct member){loop, heard, owner};
}

static void deliver(struct mail *mail)
{
    struct told *told = CONTAINER_OF(mail, struct told, mail);
    told->member->heard(told->member->owner, told->message);
    free(told);
}

void broadcast_tell(struct broadcast *broadcast, const void *message)
{
    for (size_t i = 0; i < broadcast->member_count; i++) {
        struct told *told = xcalloc(1, sizeof(*told) + broadcast->message_size);
        told->mail.deliver = deliver;
        told->member = &broadcast->members[i];
        memcpy(told->message, message, broadcast->message_size);
        loop_post(told->member->loop, &told->mail);
    }
}
