"""The tables of a memory file, and the steps from one version of them to the next.

Truth: `session`, `object`, `event`, `label`, `observation`, `latent`, `edge`, `keyframe`,
`agent_belief`, `pin`. Derived from them, and rebuilt by `rebuild_indexes`: `event_subject`,
`event_text`, `observation_place`, `removal`. The current state of an object is a view over its
newest observation. Times are integer nanoseconds of the messages; there is no wall clock in a
memory. Positions are meters in the world frame of the session, on its map as it was then;
`transform` leads to the map as it is now.
"""

from __future__ import annotations

import sqlite3

from perception_nodes.errors import MemoryStoreError

PLACE_SLACK = 0.05
"""Meters by which the index of places is coarser than the rows, so that rest costs no writes."""

APPLICATION_ID = 0x5045524D  # "PERM": tells a memory from other programs' SQLite files

_VERSION_1 = """
CREATE TABLE session (            -- an unbroken stretch of message time on one map
    id INTEGER PRIMARY KEY,
    map_id TEXT NOT NULL,
    world_frame TEXT NOT NULL,    -- REP-105 frame of every position of this session
    first_stamp INTEGER NOT NULL,
    last_stamp INTEGER NOT NULL,
    events INTEGER NOT NULL       -- how many belong to it, so that a loss can be counted
) STRICT;

CREATE TABLE object (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session INTEGER NOT NULL REFERENCES session (id),
    first_seen INTEGER NOT NULL
) STRICT;

CREATE TABLE event (              -- the log: what happened, in order of seq, not of stamp
    seq INTEGER PRIMARY KEY,      -- one sequence counts events and observations
    session INTEGER NOT NULL REFERENCES session (id),
    stamp INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subjects TEXT NOT NULL,       -- JSON list of object ids, the one that changed first
    text TEXT NOT NULL,
    evidence TEXT NOT NULL,       -- JSON list, such as ["camera@1234567890"]
    x REAL, y REAL, z REAL        -- where its first subject was then
) STRICT;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
    BEGIN SELECT RAISE (ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE (ABORT, 'the event log is append-only'); END;
CREATE INDEX event_stamp ON event (stamp);

CREATE TABLE label (              -- seq is that of its event
    seq INTEGER PRIMARY KEY,
    object TEXT NOT NULL,
    label TEXT NOT NULL,
    score REAL NOT NULL
) STRICT;
CREATE INDEX label_object ON label (object);

CREATE TABLE observation (        -- an object state; older ones are thinned out
    seq INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id),
    object TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    grade INTEGER NOT NULL,       -- 0 routine, 1 moved or part of an event, 2 visibility changed
    visibility INTEGER NOT NULL,  -- scene.Visibility
    last_seen INTEGER NOT NULL,
    seen_by TEXT NOT NULL,        -- camera of the image at last_seen
    existence REAL NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, z REAL NOT NULL,
    size_x REAL NOT NULL, size_y REAL NOT NULL, size_z REAL NOT NULL,
    vx REAL NOT NULL, vy REAL NOT NULL, vz REAL NOT NULL,
    wx REAL NOT NULL, wy REAL NOT NULL, wz REAL NOT NULL,
    red REAL NOT NULL, green REAL NOT NULL, blue REAL NOT NULL,
    log_mass_mean REAL NOT NULL, log_mass_variance REAL NOT NULL,
    log_friction_mean REAL NOT NULL, log_friction_variance REAL NOT NULL,
    surprise REAL NOT NULL,
    rotation BLOB NOT NULL,           -- (3, 3), row by row, little-endian float64
    pose_covariance BLOB NOT NULL,    -- upper triangle of (6, 6), likewise
    twist_covariance BLOB NOT NULL
) STRICT;
CREATE INDEX observation_object ON observation (object, seq, grade);          -- the newest
CREATE INDEX observation_time ON observation (object, session, stamp, seq);   -- as of a time

CREATE TABLE latent (             -- newest appearance of an object under each model
    id INTEGER PRIMARY KEY,
    object TEXT NOT NULL,
    model_id TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    vector BLOB NOT NULL,         -- little-endian float32
    UNIQUE (object, model_id)
) STRICT;

CREATE TABLE event_subject (
    object TEXT NOT NULL,
    event INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (object, event)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE event_text USING fts5
    (text, content = 'event', content_rowid = 'seq', tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE observation_place USING rtree
    (seq, min_x, max_x, min_y, max_y, min_z, max_z);

CREATE VIEW belief AS             -- every observation that is kept, with what answers need
SELECT b.*, o.first_seen,
    (SELECT label FROM label WHERE object = b.object ORDER BY seq DESC LIMIT 1) AS label,
    (SELECT score FROM label WHERE object = b.object ORDER BY seq DESC LIMIT 1) AS label_score,
    (SELECT model_id FROM latent WHERE object = b.object
        ORDER BY stamp DESC, id DESC LIMIT 1) AS model_id,
    (SELECT vector FROM latent WHERE object = b.object
        ORDER BY stamp DESC, id DESC LIMIT 1) AS latent,
    s.map_id, s.world_frame, s.first_stamp AS session_start,
    (SELECT min (e.stamp) FROM event_subject es JOIN event e ON e.seq = es.event
        WHERE es.object = b.object AND es.event > b.seq AND es.position = 0
        AND e.kind = 'removed') AS removed
FROM observation b
JOIN session s ON s.id = b.session
JOIN object o ON o.id = b.object;

CREATE VIEW current AS            -- the newest belief about every object, removed ones too
SELECT * FROM belief WHERE seq IN
    (SELECT (SELECT max (seq) FROM observation WHERE object = o.id) FROM object o);
"""

_VERSION_2 = """
CREATE TABLE permit (reason TEXT NOT NULL) STRICT;  -- has a row only while something is forgotten
DROP TRIGGER event_is_never_changed;
DROP TRIGGER event_is_never_deleted;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event WHEN NOT EXISTS (SELECT 1 FROM permit)
    BEGIN SELECT RAISE (ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event WHEN NOT EXISTS (SELECT 1 FROM permit)
    BEGIN SELECT RAISE (ABORT, 'the event log is append-only'); END;

CREATE TABLE edge (               -- why something happened
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- causes, enables, prevents, part_of
    source INTEGER NOT NULL,      -- seq of the event that came first
    target INTEGER NOT NULL,
    weight REAL NOT NULL,         -- 0..1
    evidence TEXT NOT NULL,       -- JSON list
    UNIQUE (target, kind, source)
) STRICT;
CREATE INDEX edge_source ON edge (source, kind);

CREATE TABLE keyframe (           -- what a camera saw of an object when something happened
    id INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,       -- its seq
    object TEXT NOT NULL,         -- the one in the middle
    shows TEXT NOT NULL,          -- JSON list of all objects that are partly in it
    stamp INTEGER NOT NULL,
    camera TEXT NOT NULL,
    x0 INTEGER NOT NULL, y0 INTEGER NOT NULL,  -- pixels of the image from which it was cut
    x1 INTEGER NOT NULL, y1 INTEGER NOT NULL,
    jpeg BLOB NOT NULL,
    model_id TEXT, vector BLOB    -- appearance then, as in latent
) STRICT;
CREATE INDEX keyframe_event ON keyframe (event);
CREATE INDEX keyframe_model ON keyframe (model_id);

CREATE TABLE agent_belief (       -- what a person or robot may believe, each time that it changes
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id),
    agent TEXT NOT NULL,
    object TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    probability REAL NOT NULL,    -- that the agent believes it to be here
    x REAL, y REAL, z REAL,       -- NULL: that it is not where it was, and it does not know where
    how TEXT NOT NULL             -- saw, missed, told
) STRICT;
CREATE INDEX agent_belief_of ON agent_belief (agent, object, id);

CREATE TABLE pin (                -- what consolidation must keep
    id INTEGER PRIMARY KEY,
    event INTEGER UNIQUE,
    object TEXT UNIQUE
) STRICT;
CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

ALTER TABLE session ADD COLUMN transform BLOB;  -- (4, 4) float64: from its map as it was to now

CREATE TABLE removal (            -- when objects were found gone, so that no history is searched
    object TEXT NOT NULL,
    event INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (object, event)
) STRICT, WITHOUT ROWID;
INSERT INTO removal SELECT s.object, e.seq, e.stamp FROM event e
    JOIN event_subject s ON s.event = e.seq AND s.position = 0 WHERE e.kind = 'removed';

DROP VIEW current;
DROP VIEW belief;
CREATE VIEW belief AS             -- every observation that is kept, with what answers need
SELECT b.*, o.first_seen,
    (SELECT label FROM label WHERE object = b.object ORDER BY seq DESC LIMIT 1) AS label,
    (SELECT score FROM label WHERE object = b.object ORDER BY seq DESC LIMIT 1) AS label_score,
    (SELECT model_id FROM latent WHERE object = b.object
        ORDER BY stamp DESC, id DESC LIMIT 1) AS model_id,
    (SELECT vector FROM latent WHERE object = b.object
        ORDER BY stamp DESC, id DESC LIMIT 1) AS latent,
    s.map_id, s.world_frame, s.first_stamp AS session_start, s.transform,
    (SELECT min (r.stamp) FROM removal r WHERE r.object = b.object AND r.event > b.seq) AS removed
FROM observation b
JOIN session s ON s.id = b.session
JOIN object o ON o.id = b.object;
CREATE VIEW current AS            -- the newest belief about every object, removed ones too
SELECT * FROM belief WHERE seq IN
    (SELECT (SELECT max (seq) FROM observation WHERE object = o.id) FROM object o);

CREATE VIEW graph AS              -- every relation of the log, stored or derived
SELECT kind, source, target, weight, NULL AS object FROM edge
UNION ALL
SELECT 'about', event, NULL, 1.0, object FROM event_subject
UNION ALL
SELECT 'before', s.event, (SELECT min (n.event) FROM event_subject n
    WHERE n.object = s.object AND n.event > s.event), 1.0, s.object FROM event_subject s
WHERE EXISTS (SELECT 1 FROM event_subject n WHERE n.object = s.object AND n.event > s.event);
"""

_VERSION_3 = """
DROP TABLE event_subject;         -- derived; now it answers what needs only kinds and times
CREATE TABLE event_subject (
    object TEXT NOT NULL,
    event INTEGER NOT NULL,
    position INTEGER NOT NULL,    -- 0 for the one that changed
    kind TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (object, event)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO event_subject
    SELECT j.value, e.seq, j.key, e.kind, e.stamp FROM event e, json_each (e.subjects) j;

DROP INDEX observation_time;      -- with places, so that a search by time reads nothing else
CREATE INDEX observation_time ON observation (object, session, stamp, seq, x, y, z);

-- Readers keep vectors of key frames in memory: they must learn when some of them are gone.
INSERT INTO progress VALUES ('keyframes deleted', 0);
CREATE TRIGGER keyframe_is_deleted AFTER DELETE ON keyframe
    BEGIN UPDATE progress SET value = value + 1 WHERE name = 'keyframes deleted'; END;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
"""Step i takes a memory from version i to i + 1. A released step is never edited."""

TABLES: tuple[tuple[str, str], ...] = (
    ("session", "id"),
    ("object", "number"),
    ("event", "seq"),
    ("label", "seq"),
    ("observation", "seq"),
    ("latent", "id"),
    ("edge", "id"),
    ("keyframe", "id"),
    ("agent_belief", "id"),
    ("pin", "id"),
)
"""The tables that are truth, with their integer keys, in the order in which rows may be copied."""

_INDEXES = (
    "DELETE FROM event_subject",
    """INSERT OR IGNORE INTO event_subject
        SELECT j.value, e.seq, j.key, e.kind, e.stamp FROM event e, json_each (e.subjects) j""",
    "DELETE FROM removal",
    """INSERT INTO removal SELECT s.object, e.seq, e.stamp FROM event_subject s
        JOIN event e ON e.seq = s.event WHERE s.position = 0 AND e.kind = 'removed'""",
    "INSERT INTO event_text (event_text) VALUES ('rebuild')",
    "DELETE FROM observation_place",
    f"""INSERT INTO observation_place SELECT seq, x - {PLACE_SLACK}, x + {PLACE_SLACK},
        y - {PLACE_SLACK}, y + {PLACE_SLACK}, z - {PLACE_SLACK}, z + {PLACE_SLACK}
        FROM observation""",  # noqa: S608
)


def version(db: sqlite3.Connection) -> int:
    """The schema version of a memory; 0 for an empty file.

    Raises:
        MemoryStoreError: It belongs to another program, or to a newer version of this one.
    """
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if application != APPLICATION_ID and not (application == 0 and empty):
        raise MemoryStoreError("it is a SQLite file of another program", "choose another file")
    if found > len(MIGRATIONS):
        raise MemoryStoreError(
            f"it was written by a newer version (schema {found}; this one knows {len(MIGRATIONS)})",
            "update permanence, or choose another file",
        )
    return found


def migrate(db: sqlite3.Connection, target: int) -> None:
    """Bring a memory from its version to `target`, all steps or none."""
    found = version(db)
    if found == target:
        return
    steps = "".join(MIGRATIONS[found:target])
    db.executescript(
        f"BEGIN IMMEDIATE; {steps} PRAGMA application_id = {APPLICATION_ID}; "
        f"PRAGMA user_version = {target}; COMMIT;"
    )


def rebuild_indexes(db: sqlite3.Connection) -> None:
    """Derive again what is derived, inside a transaction, after rows were saved or deleted."""
    for statement in _INDEXES:
        db.execute(statement)
