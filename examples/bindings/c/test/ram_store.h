/*
 * A counter store in memory for up to 512 tags, for tests. It forgets its counters when the program ends, so the same taps are accepted
 * again after a restart: a real store writes the mark to flash or to a database before it returns.
 *
 * It takes no lock. Threads that share it must hold a mutex during the call.
 */
#ifndef RAM_STORE_H
#define RAM_STORE_H

#include "suntap.h"

#define RAM_STORE_TAGS 512

struct ram_store {
    struct {
        uint8_t id[16];
        suntap_mark_t mark;
    } tags[RAM_STORE_TAGS];
    size_t count;
};

static inline int32_t ram_store_advance(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    struct ram_store *store = ctx;
    size_t tag = 0;
    for (; tag < store->count; tag++) {
        size_t same = 0;
        while (same < 16 && store->tags[tag].id[same] == id[same])
            same++;
        if (same == 16)
            break;
    }
    if (tag == RAM_STORE_TAGS)
        return SUNTAP_FAILED; /* Full. A store must never forget a tag to make space. */
    if (tag == store->count) {
        for (size_t i = 0; i < 16; i++)
            store->tags[tag].id[i] = id[i];
        store->tags[tag].mark = (suntap_mark_t){0};
        store->count++;
    }
    return suntap_mark_advance(&store->tags[tag].mark, ctr, at, stored);
}

#endif
