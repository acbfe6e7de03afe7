"""The parts of a migration as Postgres has them: triggers in PL/pgSQL, constraints that are added first and
validated later, indexes built beside the writers (CREATE INDEX CONCURRENTLY, ALTER TABLE ... NOT VALID).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from interlock.adapters.schemas.lens_sql import Rejection, violations
from interlock.adapters.schemas.migration_sql import Part, Shapes, listed, message
from interlock.adapters.schemas.quoting import name_sql, text_sql
from interlock.domain.schemas.field import Int

WAIT = "SET LOCAL lock_timeout = '5s'"
"""Who waits for a lock keeps those who come after waiting, so the wait is short and the step is tried again."""

HURRY = "SET LOCAL statement_timeout = '30s'"
"""For steps that touch no rows: what takes so long is not what was meant."""

ANSWERED = {
    "ban-drop-view": "only views of the migration's own are dropped, and made anew in the same transaction",
    "ban-drop-function": "only functions of the migration's own are dropped",
    "ban-drop-constraint": "what the constraint says is NOT NULL from the same transaction on",
    "ban-drop-column": "the older version is no longer written by then, and the column is archived",
    "ban-drop-table": "the archive is dropped, as the step says",
    "renaming-column": "readers of the newer version have the column's new name from their view before",
    "adding-not-nullable-field": "a validated CHECK proves it, so the table is not scanned (Postgres 12 on)",
    "require-lock-timeout": "steps that lock others out have one; validation waits without keeping anyone waiting",
    "require-statement-timeout": "steps that touch no rows have one; the others take as long as there are rows",
    "prefer-robust-stmts": "each statement outside of a transaction is done or not, and is remembered",
}
"""Rules of squawk that the order of the steps keeps, and how."""

LAST, FIRST = (name_sql(one) for one in ("~interlock_from_older", "!interlock_stop"))
"""Triggers of the table, named so that no other one fires after it, or before it."""

COMPARED = ("bool", "int", "float", "number", "decimal", "string", "bytes", "date", "time", "timestamp", "duration")
"""Kinds of types that Postgres has an equality for; JSON has none."""


def expand(one: Shapes) -> tuple[Part, ...]:
    columns = [(c.column, one.types[c.column]) for c in one.layout.new] + [(one.layout.mark, "bigint")]
    added = listed(f"ADD COLUMN {name_sql(name)} {kind}" for name, kind in columns)
    dropped = listed(f"DROP COLUMN {name_sql(name)}" for name, _ in reversed(columns))
    return (Part((f"ALTER TABLE {one.table} {added}",), (f"ALTER TABLE {one.table} {dropped}",)),)


def dual_write(one: Shapes) -> tuple[Part, ...]:
    """Back again, the columns are emptied by dropping them, which touches no row."""
    [columns] = expand(one)
    views = () if one.has_older_view else older_views(one)
    emptied = Part((), (*columns.undo, *columns.do))
    return emptied, from_older(one, is_strict=False), *views, newer_view(one, one.computed_view()), to_older(one)


# ---- from the older shape to the newer


def from_older(one: Shapes, is_strict: bool) -> Part:
    """The function and the trigger for those who write the table itself. Triggers fire in order of their names, and
    this one has to see what those of the table's owner made of the row.
    """
    function, trigger = one.made("from_older"), LAST
    timing = f"BEFORE INSERT OR UPDATE ON {one.table} FOR EACH ROW EXECUTE FUNCTION {function}()"
    return Part(
        (reader(one, is_strict), f"CREATE TRIGGER {trigger} {timing}"),
        (f"DROP TRIGGER {trigger} ON {one.table}", f"DROP FUNCTION {function}()"),
    )


def reader(one: Shapes, is_strict: bool) -> str:
    """Computes the newer columns of what was written to the older ones. is_strict: refuses rows that have no form
    in the newer version instead of leaving them without.
    """
    inputs = {name: f"interlock_changed_{n}" for n, name in enumerate(one.changing)}
    changed = "\n".join(
        f"    {var} := interlock_is_new OR NEW.{name_sql(name)} IS DISTINCT FROM OLD.{name_sql(name)};"
        for name, var in inputs.items()
    )
    untouched = " AND ".join(("NOT interlock_is_new", *(f"NOT {var}" for var in inputs.values())))
    sets = "\n".join(
        f"  IF {touched(one.get.reads[c.field.name], inputs)} THEN"
        f" NEW.{name_sql(c.column)} := interlock_lens.{one.get.made[c.field.name]}; END IF;"
        for c in one.layout.new
    )
    emptied = " ".join(f"NEW.{name_sql(c.column)} := NULL;" for c in one.layout.new)
    refused = raised() if is_strict else f"{emptied} NEW.{one.mark} := NULL; RETURN NEW;"
    body = f"""
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.{one.mark} IS DISTINCT FROM OLD.{one.mark} THEN RETURN NEW; END IF;
    interlock_is_new := OLD.{one.mark} IS NULL;
{changed}
    IF {untouched} THEN RETURN NEW; END IF;
  ELSIF NEW.{one.mark} IS NOT NULL THEN RETURN NEW;
  END IF;
  SELECT * INTO interlock_lens FROM ({one.get.over(one.older_of_new())}) AS lens;
  interlock_why := {reason(one.get.rejections, inputs, one.newer.version)};
  IF interlock_why IS NOT NULL THEN {refused} END IF;
{sets}
  NEW.{one.mark} := coalesce(NEW.{one.mark}, 0);
  RETURN NEW;
END"""
    return function(one.made("from_older"), declared(inputs), body)


def touched(reads: frozenset[str], inputs: Mapping[str, str]) -> str:
    return " OR ".join(("interlock_is_new", *(var for name, var in inputs.items() if name in reads)))


def reason(rejections: Sequence[Rejection], inputs: Mapping[str, str], version: str) -> str:
    """Why the row has no form in the version, as far as what was changed decides it; else null."""
    whens = " ".join(
        f"WHEN interlock_lens.{one.column} AND ({touched(one.reads, inputs)}) THEN {message(one.says, version)}"
        for one in rejections
    )
    return f"CASE {whens} END" if whens else "NULL"


def raised() -> str:
    return "RAISE EXCEPTION USING MESSAGE = interlock_why, ERRCODE = 'check_violation';"


def declared(inputs: Mapping[str, str]) -> str:
    flags = "".join(f"  {var} boolean := true;\n" for var in inputs.values())
    return f"  interlock_lens record;\n  interlock_why text;\n  interlock_is_new boolean := true;\n{flags}"


def function(name: str, variables: str, body: str) -> str:
    text = f"#variable_conflict use_column\nDECLARE\n{variables}{body.lstrip(chr(10))}"
    head = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS"
    return dollars(head, text)


# ---- from the newer shape to the older


def to_older(one: Shapes) -> Part:
    """What the newer version's view does with writes."""
    name, view = one.made("to_older"), name_sql(one.layout.newer_view)
    timing = f"INSTEAD OF INSERT OR UPDATE OR DELETE ON {view} FOR EACH ROW EXECUTE FUNCTION {name}()"
    return Part(
        (writer(one), f"CREATE TRIGGER {name} {timing}"),
        (f"DROP TRIGGER {name} ON {view}", f"DROP FUNCTION {name}()"),
    )


def writer(one: Shapes) -> str:
    inputs = {name: f"interlock_changed_{n}" for n, name in enumerate(one.changing_back)}
    changed = "\n".join(
        f"    {var} := NEW.{name_sql(name)} IS DISTINCT FROM OLD.{name_sql(name)};" for name, var in inputs.items()
    )
    own = " ".join(f"WHEN {condition} THEN {text_sql(says)}" for condition, says in one.own_faults(False))
    filled = "".join(f"\n    NEW.{name_sql(name)} := {one.given_by_name(name)};" for name in one.defaults)
    own_why = f"  interlock_why := CASE {own} END;\n  IF interlock_why IS NOT NULL THEN {raised()} END IF;\n"
    columns = {c.column: f"NEW.{name_sql(c.field.name)}" for c in one.layout.columns}
    gone = {f.name: one.put_back(f, "interlock_lens") for f in one.layout.gone}
    sets = {name_sql(column): value for column, value in columns.items()}
    for name, value in gone.items():
        is_touched = touched(one.put.reads[name], inputs)
        sets[name_sql(name)] = f"CASE WHEN {is_touched} THEN {value} ELSE {name_sql(name)} END"
    sets[one.mark] = f"coalesce({one.mark}, 0) + 1"
    body = f"""
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM {one.table} WHERE {one.key_is("OLD", is_newer=True)};
    IF FOUND THEN RETURN OLD; END IF;
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    interlock_is_new := false;
{changed}
{locked(one)}
  ELSE{filled or " NULL;"}
  END IF;
{own_why if own else ""}  SELECT * INTO interlock_lens FROM ({one.put.over(one.newer_of_new(False))}) AS lens;
  interlock_why := {reason(one.put.rejections, inputs, one.older.version)};
  IF interlock_why IS NOT NULL THEN {raised()} END IF;
  IF TG_OP = 'INSERT' THEN
    {inserted(one, {**columns, **gone, one.layout.mark: "1"})}
    RETURN NEW;
  END IF;
{updated(one, sets)}
  IF FOUND THEN RETURN NEW; END IF;
  RETURN NULL;
END"""
    return function(one.made("to_older"), declared(inputs), body)


def locked(one: Shapes) -> str:
    """Takes the row before it is written. Where another writer changed it since the view was read, what was
    computed of it (`SET n = n + 1`) is stale, which a table would have noticed and a view does not.
    """
    here = one.key_is("OLD", is_newer=True)
    fields = [name_sql(f.name) for f in one.newer.fields if f.type.kind in COMPARED]
    now, was = (listed(f"{row}.{field}" for field in fields) for row in ("now", "OLD"))
    key = " AND ".join(f"now.{name_sql(k)} = OLD.{name_sql(k)}" for k in one.layout.newer_key)
    view = name_sql(one.layout.newer_view)
    return f"""    PERFORM 1 FROM {one.table} WHERE {here} FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF NOT EXISTS (SELECT 1 FROM {view} AS now WHERE {key} AND ROW({now}) IS NOT DISTINCT FROM ROW({was})) THEN
      RAISE EXCEPTION USING MESSAGE = 'another writer changed the row meanwhile', ERRCODE = 'serialization_failure',
        HINT = 'Try again.';
    END IF;"""


def updated(one: Shapes, sets: Mapping[str, str]) -> str:
    """A key is set where it was changed alone: one that is always an identity's takes not even the value it has."""
    keys = {name_sql(key) for key in one.layout.key}
    here = one.key_is("OLD", is_newer=True)
    is_moved = " OR ".join(f"NEW.{name_sql(k)} IS DISTINCT FROM OLD.{name_sql(k)}" for k in one.layout.newer_key)
    whole = listed(f"{column} = {value}" for column, value in sets.items())
    rest = listed(f"{column} = {value}" for column, value in sets.items() if column not in keys)
    return f"""  IF {is_moved} THEN UPDATE {one.table} SET {whole} WHERE {here};
  ELSE UPDATE {one.table} SET {rest} WHERE {here};
  END IF;"""


def inserted(one: Shapes, values: Mapping[str, str]) -> str:
    """A row whose whole number of a key is not given gets the one that the table makes."""
    whole = f"INSERT INTO {one.table} ({listed(map(name_sql, values))}) VALUES ({listed(values.values())});"
    [key, *others] = one.layout.key
    first = next(c for c in one.layout.columns if c.column == key)
    if others or not isinstance(first.field.type, Int):
        return whole
    rest = {name: value for name, value in values.items() if name != key}
    field = f"NEW.{name_sql(first.field.name)}"
    return (
        f"IF {field} IS NULL THEN INSERT INTO {one.table} ({listed(map(name_sql, rest))})"
        f" VALUES ({listed(rest.values())}) RETURNING {name_sql(key)} INTO {field}; ELSE {whole} END IF;"
    )


# ---- views


def view(one: Shapes, name: str, query: str) -> Part:
    return Part(
        (f"CREATE OR REPLACE VIEW {name_sql(name)} AS {query}", rights(one, name)), (f"DROP VIEW {name_sql(name)}",)
    )


def rights(one: Shapes, name: str) -> str:
    """Who may do something with the table may do it with the view, and is asked for it: from Postgres 15 on a view
    can have its readers' rights. Before that the row policies of the table would be passed by, so that is refused.
    """
    table, quoted = text_sql(one.table), name_sql(name)
    return dollars(
        "DO",
        f"""DECLARE one record;
BEGIN
  IF current_setting('server_version_num')::int >= 150000 THEN
    EXECUTE {text_sql(f"ALTER VIEW {quoted} SET (security_invoker = true)")};
  ELSIF EXISTS (SELECT 1 FROM pg_class WHERE oid = {table}::regclass AND relrowsecurity) THEN
    RAISE EXCEPTION USING MESSAGE = 'the row policies of the table do not hold for views before Postgres 15';
  END IF;
  FOR one IN SELECT acl.grantee, acl.privilege_type AS allowed FROM pg_class, aclexplode(pg_class.relacl) AS acl
    WHERE pg_class.oid = {table}::regclass AND acl.grantee <> pg_class.relowner
    AND acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  LOOP
    EXECUTE format({text_sql("GRANT %s ON " + quoted.replace("%", "%%") + " TO %s")}, one.allowed,
      CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE one.grantee::regrole::text END);
  END LOOP;
END""",
    )


def dollars(head: str, body: str) -> str:
    """The body in quotes of a tag that it does not have."""
    tag = "$interlock$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    return f"{head} {tag}\n{body}\n{tag}"


def older_views(one: Shapes) -> tuple[Part, ...]:
    older = view(one, one.layout.older_view, one.older_view())
    return older, current_on(one, one.layout.older_view)


def newer_view(one: Shapes, query: str) -> Part:
    """The newer version's view while writes to it go by a trigger."""
    made = view(one, one.layout.newer_view, query)
    return Part((*made.do, given_defaults(one)), made.undo)


def given_defaults(one: Shapes) -> str:
    """A view that a trigger writes has no defaults, so it gets those of the columns that it shares."""
    table, quoted = text_sql(one.table), name_sql(one.layout.newer_view)
    shared = listed(f"({text_sql(c.column)}, {text_sql(c.field.name)})" for c in one.layout.shared)
    return dollars(
        "DO",
        f"""DECLARE one record;
BEGIN
  FOR one IN SELECT field, pg_get_expr(adbin, adrelid) AS made FROM (VALUES {shared}) AS shared (held, field)
    JOIN pg_attribute ON attrelid = {table}::regclass AND attname = held
    JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  LOOP
    EXECUTE format({text_sql("ALTER VIEW " + quoted.replace("%", "%%") + " ALTER COLUMN %I SET DEFAULT %s")},
      one.field, one.made);
  END LOOP;
END""",
    )


def current_on(one: Shapes, name: str) -> Part:
    return view(one, one.layout.current_view, f"SELECT * FROM {name_sql(name)}")


# ---- after the rows are moved


def indexes(one: Shapes) -> tuple[Part, ...]:
    """Each outside of a transaction; one that failed is left invalid, so it is dropped before it is tried again."""
    found = []
    for columns in one.unique_new():
        name = one.made_newer("_".join((*(c.field.name for c in columns), "key")))
        listed_columns = listed(name_sql(c.column) for c in columns)
        dropped = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
        made = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {one.table} ({listed_columns})"
        found.append(Part((dropped, made), (dropped,)))
    return tuple(found)


def constrain(one: Shapes) -> tuple[Part, ...]:
    """From here on the database itself keeps the newer version's rules, for what is written."""
    added = tuple(f"ALTER TABLE {one.table} ADD {rule} NOT VALID" for _, rule in rules(one))
    dropped = tuple(f"ALTER TABLE {one.table} DROP CONSTRAINT {name}" for name, _ in reversed(list(rules(one))))
    strict = Part((reader(one, is_strict=True),), (reader(one, is_strict=False),))
    return strict, Part(added, dropped)


def validate(one: Shapes) -> tuple[Part, ...]:
    """Each in a transaction of its own, so that the lock is the weak one; to take it back is to add them anew."""
    found = []
    for name, rule in rules(one):
        again = f"ALTER TABLE {one.table} DROP CONSTRAINT {name}, ADD {rule} NOT VALID"
        found.append(Part((f"ALTER TABLE {one.table} VALIDATE CONSTRAINT {name}",), (again,)))
    return tuple(found)


def rules(one: Shapes) -> Iterator[tuple[str, str]]:
    """Name and text of each constraint of the new columns, and that every row has them."""
    filled = one.made_newer("is_filled")
    yield filled, f"CONSTRAINT {filled} CHECK ({one.mark} IS NOT NULL)"
    for c in one.layout.new:
        for number, (_, condition) in enumerate(violations(c.field, name_sql(c.column), one.dialect)):
            name = one.made_newer(f"{c.field.name}_{number}")
            yield name, f"CONSTRAINT {name} CHECK (NOT ({condition}))"


def switch(one: Shapes) -> tuple[Part, ...]:
    older, newer, current = one.layout.older_view, one.layout.newer_view, f"DROP VIEW {one.current}"
    stored = Part(view(one, newer, one.stored_view()).do, view(one, newer, one.computed_view()).do)
    return stored, Part((current, *current_on(one, newer).do), (current, *current_on(one, older).do))


def stop(one: Shapes) -> tuple[Part, ...]:
    name, trigger = one.made("stop"), FIRST
    says = f"version {one.older.version} of {one.newer.name} is no longer written; write {one.layout.newer_view}"
    body = f"""
BEGIN
  IF TG_OP = 'INSERT' AND NEW.{one.mark} IS NOT NULL THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND NEW.{one.mark} IS DISTINCT FROM OLD.{one.mark} THEN RETURN NEW; END IF;
  RAISE EXCEPTION USING MESSAGE = {text_sql(says)}, ERRCODE = 'insufficient_privilege';
END"""
    timing = f"BEFORE INSERT OR UPDATE ON {one.table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    made = (function(name, "", body), f"CREATE TRIGGER {trigger} {timing}")
    return (Part(made, (f"DROP TRIGGER {trigger} ON {one.table}", f"DROP FUNCTION {name}()")),)


# ---- the end


def archive(one: Shapes) -> tuple[Part, ...]:
    columns, key = listed(map(name_sql, one.archived)), listed(map(name_sql, one.layout.key))
    made = f"CREATE TABLE {one.archive} AS SELECT {columns} FROM {one.table}"
    keyed = f"ALTER TABLE {one.archive} ADD PRIMARY KEY ({key})"
    return (Part((made, keyed), (f"DROP TABLE {one.archive}",)),)


def contract(one: Shapes) -> tuple[Part, ...]:
    """Everything of the older version goes, the new columns get their names; back again, all of it as it was."""
    served = (*served_last(one), current_on(one, one.layout.newer_view), *stop(one))
    taken = tuple(sql for part in reversed(served) for sql in part.undo)
    brought = tuple(sql for part in served for sql in part.do)
    return (
        Part(taken, brought),
        checks_go(one),
        Part((), refused_nulls(one)),
        Part((), one.refill()),
        columns_go(one),
        *(rename(one, was, now) for was, now in one.renames()),
        view(one, one.layout.newer_view, one.final_view()),
        current_on(one, one.layout.newer_view),
    )


def served_last(one: Shapes) -> tuple[Part, ...]:
    """As the steps before left it: the strict trigger, the stored view."""
    return (
        from_older(one, is_strict=True),
        view(one, one.layout.older_view, one.older_view()),
        newer_view(one, one.stored_view()),
        to_older(one),
    )


def checks_go(one: Shapes) -> Part:
    """What says that a column is not null becomes NOT NULL, which asks no row again once it is proven."""
    filled, *_ = rules(one)
    needed = [c for c in one.layout.new if not c.field.nullable and c.field.required]
    nulls = [(one.made_newer(f"{c.field.name}_0"), c) for c in needed]
    do = [f"ALTER TABLE {one.table} ALTER COLUMN {name_sql(c.column)} SET NOT NULL" for _, c in nulls]
    do += [f"ALTER TABLE {one.table} DROP CONSTRAINT {name}" for name in (filled[0], *(n for n, _ in nulls))]
    by_name = dict(rules(one))
    undo = [f"ALTER TABLE {one.table} ADD {by_name[name]}" for name in (filled[0], *(n for n, _ in nulls))]
    undo += [f"ALTER TABLE {one.table} ALTER COLUMN {name_sql(c.column)} DROP NOT NULL" for _, c in nulls]
    return Part(tuple(do), tuple(undo))


def refused_nulls(one: Shapes) -> tuple[str, ...]:
    needed = [f for f in one.layout.gone if not f.nullable and f.required]
    return tuple(f"ALTER TABLE {one.table} ALTER COLUMN {name_sql(f.name)} SET NOT NULL" for f in needed)


def columns_go(one: Shapes) -> Part:
    columns = [(f.name, one.types[f.name]) for f in one.layout.gone] + [(one.layout.mark, "bigint")]
    dropped = listed(f"DROP COLUMN {name_sql(name)}" for name, _ in columns)
    added = listed(f"ADD COLUMN {name_sql(name)} {kind}" for name, kind in columns)
    given = [
        (name_sql(c.column), one.defaults[c.field.name]) for c in one.layout.new if c.field.name in one.defaults
    ]
    head = f"ALTER TABLE {one.table} ALTER COLUMN"
    defaults = tuple(f"{head} {column} SET DEFAULT {literal}" for column, literal in given)
    without = tuple(f"{head} {column} DROP DEFAULT" for column, _ in given)
    return Part((f"ALTER TABLE {one.table} {dropped}", *defaults), (*without, f"ALTER TABLE {one.table} {added}"))


def rename(one: Shapes, was: str, now: str) -> Part:
    head = f"ALTER TABLE {one.table} RENAME COLUMN"
    return Part((f"{head} {name_sql(was)} TO {name_sql(now)}",), (f"{head} {name_sql(now)} TO {name_sql(was)}",))


def expire(one: Shapes) -> tuple[Part, ...]:
    return (Part((f"DROP TABLE {one.archive}",)),)
