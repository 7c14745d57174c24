#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# sqlite3: a table in memory, indices, sorting, text; a file; an error at the end.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need sqlite3

cat >"$input/work.sql" <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB);
INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
  SELECT i, 'name-' || (i % 997), i * 7919 % 10007 / 100.0, zeroblob(i % 100) FROM n;
CREATE INDEX ta ON t(a, b);
SELECT a, count(*), sum(b) FROM t GROUP BY a ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(DISTINCT b), length(group_concat(a)) FROM t;
SELECT count(*) FROM t x JOIN t y ON x.id = y.id + 1 WHERE x.a < y.a;
ATTACH 'kept.db' AS kept;
CREATE TABLE kept.best AS SELECT a, max(b) m FROM t GROUP BY a ORDER BY a;
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
SELECT count(*), md FROM (SELECT total(length(c)) md FROM t), kept.best;
SELECT * FROM nowhere;
SQL
artefacts=kept.db
same sqlite3 sqlite3 -bail :memory: '.read work.sql'
