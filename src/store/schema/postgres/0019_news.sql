-- What servers tell each other (store.h, enum store_news_kind), for a day. made_ms is by the database's clock.
CREATE TABLE news(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction_id BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  made_ms BIGINT NOT NULL,
  sender BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  account BIGINT NOT NULL,
  subject BIGINT NOT NULL,
  value BIGINT NOT NULL,
  words TEXT NOT NULL
);
CREATE INDEX news_by_time ON news(made_ms);
CREATE INDEX news_by_transaction ON news(transaction_id, id);

--- way back
DROP TABLE news;
