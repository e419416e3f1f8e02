// The log's own statements on PostgreSQL: X(name, SQL), numbered behind the catalogue's. Lists travel as arrays in
// their text form.
#pragma once

#include "store/catalogue/statements.h"
#include "store/sql/postgres.h"

#define EXECUTION_NUMBERS "CAST(pg_get_serial_sequence('executions', 'id') AS regclass)"
#define PRODUCER_COLUMNS  "p.next, p.last_hash, p.last_counter, p.last_sequence, p.digest"

#define POSTGRES_STATEMENTS(X)                                                                                         \
    X(NEWS_INSERT, "INSERT INTO news(made_ms, sender, kind, account, value, words, subject) SELECT {now_ms}, ?1, ?2, " \
                   "?3, ?4, ?5, x "                                                                                    \
                   "FROM unnest(CAST(?6 AS bigint[])) AS x RETURNING id")                                              \
    /* The time, and the oldest transaction that is under way: what is older is visible, or never will be. What is     \
       given out next as the number of one. */                                                                         \
    X(NEWS_NOW, "SELECT {now_ms}, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, " SQL_POSTGRES_TIMELINE       \
                ", pg_snapshot_xmax(pg_current_snapshot())::text::bigint")                                             \
    X(NEWS_FIRST_SINCE, "SELECT coalesce(min(transaction_id), ?2) FROM news WHERE made_ms >= ?1")                      \
    X(NEWS_SINCE, "SELECT id, kind, account, subject, value, words, transaction_id FROM news WHERE (transaction_id, "  \
                  "id) > (?1, ?4) "                                                                                    \
                  "AND sender <> ?2 ORDER BY transaction_id, id LIMIT ?3")                                             \
    X(NEWS_OWN, "SELECT id, kind, account, subject, value, words FROM news WHERE transaction_id = ?1 AND sender = ?2 " \
                "ORDER BY id")                                                                                         \
    X(NEWS_EXPIRE, "DELETE FROM news WHERE made_ms < ?1")                                                              \
    X(META_GET, "SELECT value FROM meta WHERE name = ?1")                                                              \
    /* Of those who make it at the same time, the first one has. */                                                    \
    X(META_MAKE, "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO NOTHING")                          \
    X(META_DELETE, "DELETE FROM meta WHERE name = ?1")                                                                 \
    /* All that a transaction will change, in one order for everybody. The list is read once: in a plan that goes      \
       through the table it was read again for each row, for a minute with 5,000 of 10,000. */                         \
    X(EXECUTIONS_LOCK, "SELECT " HEAD_COLUMNS "FROM executions WHERE id = "                                            \
                       "ANY(CAST((SELECT CAST(?1 AS bigint[])) AS bigint[])) ORDER BY id FOR UPDATE")                  \
    /* The first of each transaction. Another `settled` than is known: others have brought this server's journal home. \
       Then it divides by zero, as the transaction's end may be sent already. */                                       \
    X(WRITER_BEGINS, "INSERT INTO writers(sender, number, touched_ms) VALUES(?1, ?2, {now_ms}) ON "                    \
                     "CONFLICT(sender) "                                                                               \
                     "DO UPDATE SET number = excluded.number, touched_ms = excluded.touched_ms "                       \
                     "RETURNING pg_current_xact_id()::text::bigint, 1 / CAST(settled = ?3 AS integer)")                \
    /* Waits for whoever has the row, also if it is not there yet for others. */                                       \
    X(WRITER_NUMBER, "INSERT INTO writers(sender, number, touched_ms) VALUES(?1, 0, {now_ms}) ON CONFLICT(sender) "    \
                     "DO UPDATE SET touched_ms = excluded.touched_ms RETURNING number")                                \
    X(WRITERS_FORGET, "DELETE FROM writers WHERE touched_ms < {now_ms} - ?1 AND "                                      \
                      "(SELECT min(j.number) FROM journals j WHERE j.sender = writers.sender) IS NULL")                \
    X(EXECUTIONS_APPENDED,                                                                                             \
      "UPDATE executions SET next_sequence = x.next, digest = x.digest, message_bytes = x.bytes, journal = x.journal " \
      "FROM "                                                                                                          \
      "unnest(CAST(?1 AS bigint[]), CAST(?2 AS bigint[]), CAST(?3 AS bigint[]), CAST(?4 AS bigint[]), "                \
      "CAST(?5 AS bigint[])) AS x(id, next, digest, bytes, journal) WHERE executions.id = x.id")                       \
    X(JOURNAL_ADD, "INSERT INTO journals(sender, number, body) VALUES(?1, ?2, ?3)")                                    \
    /* A row that is made anew, as the server was forgotten, has another number than the one before had. */            \
    X(JOURNAL_HOLD, "INSERT INTO writers(sender, number, touched_ms, settled) VALUES(?1, 0, {now_ms}, {now_ms}) "      \
                    "ON CONFLICT(sender) DO UPDATE SET settled = writers.settled + 1 RETURNING settled")               \
    X(JOURNAL_LOOK, "SELECT coalesce(max(w.settled), 0), CASE WHEN count(*) = 0 THEN 1 ELSE (SELECT count(*) FROM "    \
                    "(SELECT number FROM journals WHERE sender = ?1 ORDER BY sender, number LIMIT 1) AS x) END "       \
                    "FROM (SELECT settled FROM writers WHERE sender = ?1) AS w")                                       \
    X(JOURNAL_LIST, "SELECT body FROM journals WHERE sender = ?1 ORDER BY number")                                     \
    X(JOURNAL_LOCK, "SELECT id FROM executions WHERE id = ANY(CAST((SELECT CAST(?1 AS bigint[])) AS bigint[])) "       \
                    "ORDER BY id FOR UPDATE")                                                                          \
    /* A journal may have what was written to the row since. */                                                        \
    X(JOURNAL_HEADS, "UPDATE executions SET next_sequence = x.next, digest = x.digest, message_bytes = x.bytes FROM "  \
                     "unnest(CAST(?1 AS bigint[]), CAST(?2 AS bigint[]), CAST(?3 AS bigint[]), CAST(?4 AS bigint[])) " \
                     "AS x(id, next, digest, bytes) WHERE executions.id = x.id AND executions.journal = ?5 AND "       \
                     "executions.next_sequence < x.next")                                                              \
    X(JOURNAL_STATES,                                                                                                  \
      "INSERT INTO producers(execution, producer, next, last_hash, last_counter, last_sequence, digest) SELECT x.* "   \
      "FROM unnest(CAST(?1 AS bigint[]), CAST(?2 AS text[]), CAST(?3 AS bigint[]), CAST(?4 AS bigint[]), "             \
      "CAST(?5 AS bigint[]), CAST(?6 AS bigint[]), CAST(?7 AS bigint[])) AS x(execution, producer, next, last_hash, "  \
      "last_counter, last_sequence, digest) JOIN executions e ON e.id = x.execution AND e.journal = ?8 "               \
      "ON CONFLICT(execution, producer) DO UPDATE "                                                                    \
      "SET next = excluded.next, last_hash = excluded.last_hash, last_counter = excluded.last_counter, "               \
      "last_sequence = excluded.last_sequence, digest = excluded.digest WHERE producers.last_sequence < "              \
      "excluded.last_sequence")                                                                                        \
    X(JOURNAL_LEAVE, "UPDATE executions SET journal = 0 WHERE id = ANY(CAST((SELECT CAST(?1 AS bigint[])) AS "         \
                     "bigint[])) AND journal = ?2")                                                                    \
    X(JOURNAL_FORGET, "DELETE FROM journals WHERE sender = ?1 AND number < ?2")                                        \
    X(JOURNAL_LEFT,                                                                                                    \
      "SELECT w.sender FROM writers w WHERE w.touched_ms <= {now_ms} - ?1 AND (SELECT min(j.number) FROM "             \
      "journals j WHERE j.sender = w.sender) IS NOT NULL LIMIT 1")                                                     \
    X(PRODUCER_FIND, "SELECT " PRODUCER_COLUMNS " FROM producers p WHERE execution = ?1 AND producer = ?2")            \
    X(PRODUCERS_FIND,                                                                                                  \
      "SELECT " PRODUCER_COLUMNS ", x.number FROM unnest(CAST(?1 AS bigint[]), CAST(?2 AS text[])) WITH ORDINALITY "   \
      "AS x(execution, producer, number) JOIN producers p ON p.execution = x.execution AND p.producer = x.producer")   \
    X(PRODUCERS_SET,                                                                                                   \
      "INSERT INTO producers(execution, producer, next, last_hash, last_counter, last_sequence, digest) SELECT * "     \
      "FROM unnest(CAST(?1 AS bigint[]), CAST(?2 AS text[]), CAST(?3 AS bigint[]), CAST(?4 AS bigint[]), "             \
      "CAST(?5 AS bigint[]), CAST(?6 AS bigint[]), CAST(?7 AS bigint[])) ON CONFLICT(execution, producer) DO UPDATE "  \
      "SET next = excluded.next, last_hash = excluded.last_hash, last_counter = excluded.last_counter, "               \
      "last_sequence = excluded.last_sequence, digest = excluded.digest")                                              \
    X(PRODUCERS_DELETE, "DELETE FROM producers WHERE execution = ?1")                                                  \
    X(CHUNK_AT,                                                                                                        \
      "SELECT first, count FROM chunks{part} WHERE execution = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1")        \
    X(CHUNKS_FROM, "SELECT first, count, raw FROM chunks{part} WHERE execution = ?1 AND first >= ?2 ORDER BY first "   \
                   "LIMIT ?3")                                                                                         \
    /* Not max(): as long as there are no statistics of a day's rows, it is planned to read all of the log's. */       \
    X(CHUNKS_COVERING,                                                                                                 \
      "SELECT first, count, raw FROM chunks{part} WHERE execution = ?1 AND first >= coalesce((SELECT c.first FROM "    \
      "chunks{part} c WHERE c.execution = ?1 AND c.first <= ?2 ORDER BY c.first DESC LIMIT 1), 0) "                    \
      "ORDER BY first LIMIT ?3")                                                                                       \
    X(CHUNKS_BEFORE,                                                                                                   \
      "SELECT first, count, raw FROM chunks{part} WHERE execution = ?1 AND first < ?2 ORDER BY first DESC "            \
      "LIMIT ?3")                                                                                                      \
    X(CHUNK_SINCE, "SELECT first FROM chunks{part} WHERE execution = ?1 AND time_max >= ?2 ORDER BY first LIMIT 1")    \
    X(CHUNK_BODY, "SELECT body FROM chunks{part} WHERE execution = ?1 AND first = ?2 AND count = ?3")                  \
    X(CHUNK_BODIES, "SELECT first, body FROM chunks{part} WHERE execution = ?1 AND first >= ?2 AND first <= ?3 "       \
                    "ORDER BY first")                                                                                  \
    X(CHUNK_FRONTS,                                                                                                    \
      "SELECT first, substring(body FROM 1 FOR CAST(?4 AS integer)), octet_length(body) FROM chunks{part} "            \
      "WHERE execution = ?1 AND first >= ?2 AND first <= ?3 ORDER BY first")                                           \
    X(CHUNKS_UNMERGED, "SELECT first, count, raw, merged FROM chunks{part} WHERE execution = ?1 AND first >= ?2 "      \
                       "AND (raw < ?3 OR NOT merged) ORDER BY first LIMIT ?4")                                         \
    /* ?1 are rows as COPY has them, in which their bodies are. */                                                     \
    X(CHUNKS_ADD, "INSERT INTO chunks(execution, first, count, time_min, time_max, raw, merged, body) SELECT "         \
                  "x.execution, x.first, x.count, x.time_min, x.time_max, x.raw, false, "                              \
                  "substring(CAST(?1 AS bytea) FROM CAST(x.at AS integer) FOR CAST(x.len AS integer)) FROM "           \
                  "unnest(CAST(?2 AS bigint[]), CAST(?3 AS bigint[]), CAST(?4 AS bigint[]), CAST(?5 AS bigint[]), "    \
                  "CAST(?6 AS bigint[]), CAST(?7 AS bigint[]), CAST(?8 AS bigint[]), CAST(?9 AS bigint[])) "           \
                  "AS x(execution, first, count, time_min, time_max, raw, at, len)")                                   \
    X(CHUNKS_REPLACED, "DELETE FROM chunks{part} WHERE execution = ?1 AND first >= ?2 AND first < ?3")                 \
    /* Whoever takes chunks away holds this until its transaction ends. */                                             \
    X(CHUNKS_HOLD, "SELECT pg_advisory_xact_lock(1, CAST(?1 % 2147483647 AS integer))")                                \
    X(UNMERGED_ADD, "INSERT INTO unmerged(execution, due_ms) SELECT x, ?2 FROM unnest(CAST(?1 AS bigint[])) AS x "     \
                    "ON CONFLICT(execution) DO NOTHING")                                                               \
    X(UNMERGED_NEXT,                                                                                                   \
      "SELECT execution, looked_to, looked_sealed FROM unmerged WHERE due_ms <= ?1 ORDER BY due_ms LIMIT 1 "           \
      "FOR UPDATE SKIP LOCKED")                                                                                        \
    X(UNMERGED_PUT_OFF, "UPDATE unmerged SET due_ms = ?2 WHERE execution = ?1")                                        \
    X(UNMERGED_LATER, "UPDATE unmerged SET due_ms = ?2, looked_to = ?3, looked_sealed = ?4 <> 0 WHERE execution = ?1") \
    /* Who looks at one of them at the moment may have found it open. This waits, and puts it before what he says. */  \
    X(UNMERGED_SEALED, "UPDATE unmerged SET due_ms = ?2 WHERE execution = ANY(CAST((SELECT CAST(?1 AS bigint[])) AS "  \
                       "bigint[])) AND due_ms > ?3 AND NOT looked_sealed")                                             \
    X(UNMERGED_FIND, "SELECT 1 FROM unmerged WHERE execution = ?1")                                                    \
    X(UNMERGED_DELETE, "DELETE FROM unmerged WHERE execution = ?1")                                                    \
    X(CHUNKS_CUT, "DELETE FROM chunks{part} WHERE execution = ?1 AND first < ?2")                                      \
    /* ?3: by its age. Its chunks then may stay for a quarter of that, two days at most: they may go with their day.   \
     */                                                                                                                \
    X(PURGING_INSERT, "INSERT INTO purging(execution, due_ms) SELECT id, CASE WHEN ?3 = 0 THEN 0 ELSE ?2 + "           \
                      "least(172800000, (?2 - sealed_ms) / 4) END FROM executions WHERE id = ?1 "                      \
                      "ON CONFLICT(execution) DO NOTHING")                                                             \
    X(PURGING_NEXT, "SELECT execution FROM purging WHERE due_ms <= ?1 ORDER BY due_ms LIMIT 1 FOR UPDATE SKIP LOCKED") \
    X(PURGING_DELETE, "DELETE FROM purging WHERE execution = ?1")                                                      \
    X(PURGE_SLICE, "DELETE FROM chunks{part} WHERE execution = ?1 AND first IN "                                       \
                   "(SELECT c.first FROM chunks{part} c WHERE c.execution = ?1 ORDER BY c.first LIMIT 256)")           \
    /* Days, the parts of `chunks`. ?1 of DAYS_NOW: what the clock says; 0: ask the server's. */                       \
    X(DAYS_ALONE, "SELECT CAST(pg_try_advisory_xact_lock(8269516) AS integer)")                                        \
    X(DAYS_NOW,                                                                                                        \
      "SELECT coalesce(nullif(?1, 0), {now_ms}), coalesce(pg_sequence_last_value(" EXECUTION_NUMBERS "), 0)")          \
    X(DAYS_LIST, "SELECT number, coalesce(begun_ms, 0), kept_from FROM chunk_days ORDER BY number")                    \
    X(DAYS_MISSING,                                                                                                    \
      "SELECT DISTINCT x FROM unnest(CAST(?1 AS bigint[])) AS x WHERE to_regclass('chunks_' || x) IS NULL")            \
    /* Of what is committed; to_regclass may still know what another has dropped meanwhile. */                         \
    X(DAY_FIND, "SELECT count(*) FROM pg_class WHERE relname = CAST('chunks_' || ?1 AS name) AND relnamespace = "      \
                "(SELECT relnamespace FROM pg_class WHERE oid = CAST('chunks' AS regclass))")                          \
    X(DAY_ADD, "INSERT INTO chunk_days(number) VALUES(?1) ON CONFLICT(number) DO NOTHING")                             \
    X(DAY_BEGIN, "SELECT setval(" EXECUTION_NUMBERS ", ?1)")                                                           \
    X(DAY_BEGUN, "UPDATE chunk_days SET begun_ms = ?2 WHERE number = ?1")                                              \
    X(DAY_KEPT, "SELECT id FROM executions WHERE id >= ?1 AND id < ?2 AND purged = 0 ORDER BY id LIMIT 1")             \
    /* Of each day before the present one (?1): the first of its executions that is not purged, if there is one. */    \
    X(DAYS_KEPT, "SELECT d.number, d.until, d.kept_from, (SELECT id FROM executions WHERE id >= d.kept_from AND id < " \
                 "d.until AND purged = 0 ORDER BY id LIMIT 1) FROM (SELECT number, kept_from, lead(number) OVER "      \
                 "(ORDER BY number) << 32 AS until FROM chunk_days) AS d WHERE d.number < ?1 ORDER BY d.number")       \
    X(DAY_KEPT_FROM, "UPDATE chunk_days SET kept_from = ?2 WHERE number = ?1")                                         \
    X(DAY_REMOVE, "DELETE FROM chunk_days WHERE number = ?1")                                                          \
    X(EVENTS_CUT, "DELETE FROM events WHERE execution = ?1 AND sequence < ?2")                                         \
    X(EVENTS_PURGE, "DELETE FROM events WHERE execution = ?1 AND sequence IN "                                         \
                    "(SELECT v.sequence FROM events v WHERE v.execution = ?1 ORDER BY v.sequence LIMIT 4096)")

enum postgres_statement {
    POSTGRES_BEFORE = CATALOGUE_STATEMENT_COUNT - 1,
#define POSTGRES_ENUM(name, sql) POSTGRES_##name,
    POSTGRES_STATEMENTS(POSTGRES_ENUM)
#undef POSTGRES_ENUM
        POSTGRES_STATEMENT_COUNT
};

extern const struct sql_texts postgres_texts; // the catalogue's and these
