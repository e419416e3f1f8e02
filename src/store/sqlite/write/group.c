#include "store/sqlite/write/group.h"

void group_add_change(struct group *group, const struct store_change *change)
{
    if (group->change_count == group->changes_cap) {
        group->changes_cap = group->changes_cap ? group->changes_cap * 2 : 64;
        group->changes = xrealloc(group->changes, group->changes_cap * sizeof(*group->changes));
    }
    struct store_change *added = &group->changes[group->change_count++];
    *added = *change;
    if (added->chunk)
        added->chunk = chunk_ref(added->chunk);
}

void group_add_appended(struct group *group, const struct pack_entry *entry)
{
    if (group->appended_count == group->appended_cap) {
        group->appended_cap = group->appended_cap ? group->appended_cap * 2 : 64;
        group->appended = xrealloc(group->appended, group->appended_cap * sizeof(*group->appended));
    }
    group->appended[group->appended_count++] = (struct appended){
        .row = entry->row,
        .state = entry->state,
        .producer = entry->producer.len > 0 ? str_dup(entry->producer) : NULL,
        .producer_state = entry->producer_state,
    };
}

void group_add_row(struct group *group, int64_t row)
{
    if (group->row_count == group->rows_cap) {
        group->rows_cap = group->rows_cap ? group->rows_cap * 2 : 64;
        group->rows = xrealloc(group->rows, group->rows_cap * sizeof(*group->rows));
    }
    group->rows[group->row_count++] = row;
}

void group_reset(struct group *group)
{
    for (size_t i = 0; i < group->change_count; i++)
        chunk_unref(&group->changes[i].chunk);
    for (size_t i = 0; i < group->appended_count; i++)
        free(group->appended[i].producer);
    group->change_count = group->appended_count = group->row_count = 0;
    group->purges = false;
    pack_builder_reset(&group->pack);
    group->records = group->seals = group->seals_with_records = group->sealed_records = group->summaries = 0;
}

void group_release(struct group *group)
{
    free(group->changes);
    free(group->appended);
    free(group->rows);
    pack_builder_release(&group->pack);
    buf_release(&group->pack_meta);
    buf_release(&group->pack_body);
}
