"""SQL's CREATE TABLE statements to a Contract with an object per table, and back, in the dialects of sqlglot.

Read are types, NOT NULL, DEFAULT of a literal, PRIMARY KEY, UNIQUE, REFERENCES, comments, and CHECK where it is a
list of values, a bound or a length of one column; other conditions and statements are noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from interlock.adapters.schemas.tables import DataExtraMissing
from interlock.domain.schemas.contract import Contract, Object, Reference
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    Scalar,
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.formats.form import Format
from interlock.domain.schemas.formats.notes import Notes, Path, name_of, unique_fields
from interlock.domain.schemas.formats.text import decoded

DEFAULT_DIALECT: Final = "postgres"
_TYPES: Mapping[str, Type] = {
    "BOOLEAN": Bool(),
    **dict.fromkeys(("TINYINT",), Int(8)),
    **dict.fromkeys(("SMALLINT", "SMALLSERIAL"), Int(16)),
    **dict.fromkeys(("INT", "MEDIUMINT", "SERIAL"), Int(32)),
    **dict.fromkeys(("BIGINT", "BIGSERIAL"), Int(64)),
    **dict.fromkeys(("UTINYINT",), Int(8, is_signed=False)),
    **dict.fromkeys(("USMALLINT",), Int(16, is_signed=False)),
    **dict.fromkeys(("UINT", "UMEDIUMINT"), Int(32, is_signed=False)),
    **dict.fromkeys(("UBIGINT",), Int(64, is_signed=False)),
    "FLOAT": Float(32),
    "DOUBLE": Float(64),
    **dict.fromkeys(("CHAR", "NCHAR", "VARCHAR", "NVARCHAR", "TEXT", "MEDIUMTEXT", "LONGTEXT", "NAME"), String()),
    **dict.fromkeys(("BINARY", "VARBINARY", "BLOB", "LONGBLOB", "MEDIUMBLOB"), Bytes()),
    **dict.fromkeys(("DATE", "DATE32"), Date()),
    **dict.fromkeys(("TIME", "TIME_NS"), Time()),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMPNTZ", "DATETIME", "DATETIME64"), Timestamp(is_zoned=False)),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMPLTZ"), Timestamp()),
    "TIMESTAMP_S": Timestamp("s", is_zoned=False),
    "TIMESTAMP_MS": Timestamp("ms", is_zoned=False),
    "TIMESTAMP_NS": Timestamp("ns", is_zoned=False),
    "INTERVAL": Duration(),
    **dict.fromkeys(("JSON", "JSONB", "VARIANT"), Json()),
}


def _glot() -> Any:
    try:
        import sqlglot
    except ModuleNotFoundError as error:
        remedy = "Install it with: pip install 'interlock[data]'"
        raise DataExtraMissing("SQL is read with sqlglot, which is not installed", remedy=remedy) from error
    return sqlglot


def parse(content: bytes, source: str, dialect: str) -> list[Any]:
    """The statements; SchemaUnreadable with line and column."""
    glot = _glot()
    try:
        return [s for s in glot.parse(decoded(content, source), read=dialect) if s is not None]
    except glot.errors.ParseError as fault:
        at = fault.errors[0] if fault.errors else {}
        where = f"{source}:{at.get('line', 1)}:{at.get('col', 1)}"
        says = f"this is no SQL of {dialect}: {at.get('description', str(fault))[:200]}"
        raise SchemaUnreadable(says, where=where) from fault
    except (glot.errors.SqlglotError, RecursionError) as fault:
        raise SchemaUnreadable(f"this is no SQL of {dialect}: {str(fault)[:200]}", where=source) from fault


def read(document: Any, notes: Notes) -> Contract:
    """The contract of the tables. `notes` has what could not be held."""
    from sqlglot import exp

    objects = []
    for statement in document:
        if (
            isinstance(statement, exp.Create)
            and statement.kind == "TABLE"
            and isinstance(statement.this, exp.Schema)
        ):
            objects.append(_Table(statement, notes).object())
        elif not isinstance(statement, exp.Comment | exp.Semicolon):
            notes.tell(
                "statement_not_held", (), f"has a {statement.key} statement, which says nothing about tables"
            )
    if not objects:
        notes.refuse("no_record", (), "there is no CREATE TABLE with columns", "Add one.")
    return Contract(name_of(objects[0].name) if objects else "", "", tuple(objects))


@dataclass(slots=True)
class _Table:
    """One CREATE TABLE under reading; keys and references of columns and of the table come together."""

    statement: Any
    notes: Notes
    primary: list[str] = field(default_factory=list)
    unique: list[tuple[str, ...]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)

    def object(self) -> Object:
        from sqlglot import exp

        schema = self.statement.this
        name = schema.this.name
        fields = [self.column(c, (name, c.name)) for c in schema.expressions if isinstance(c, exp.ColumnDef)]
        by_name = {f.name: f for f in unique_fields(fields, (name,), self.notes)}
        for part in schema.expressions:
            if not isinstance(part, exp.ColumnDef):
                self.constraint(part, by_name, name)
        for key in self.primary:
            if key in by_name:
                by_name[key] = replace(by_name[key], nullable=False)
        keys = tuple(self.primary), tuple(dict.fromkeys(self.unique)), tuple(self.references)
        return Object(name, tuple(by_name.values()), False, *keys)

    def column(self, column: Any, path: Path) -> Field:
        from sqlglot import exp

        self.notes.enter(path)
        one = replace(self.typed(column.name, column.args.get("kind"), path), nullable=True)
        for constraint in column.args.get("constraints") or []:
            match getattr(constraint, "kind", constraint):
                case exp.NotNullColumnConstraint(args={"allow_null": True}):
                    continue
                case exp.NotNullColumnConstraint():
                    one = replace(one, nullable=False)
                case exp.PrimaryKeyColumnConstraint():
                    self.primary.append(one.name)
                case exp.UniqueColumnConstraint():
                    one = replace(one, is_unique=True)
                case exp.CommentColumnConstraint() as kind:
                    one = replace(one, description=kind.this.name)
                case exp.DefaultColumnConstraint() as kind:
                    one = replace(one, default=self.default(kind.this, path))
                case exp.CheckColumnConstraint() as kind:
                    one = self.checked(one, kind.this, path)
                case exp.Reference() as kind:
                    self.reference((one.name,), kind)
                case kind:
                    self.not_held(kind, path)
        return one

    def typed(self, name: str, kind: Any, path: Path) -> Field:
        if kind is None:
            self.notes.tell("type_absent", path, "has no type; read as json")
            return Field(name, Json())
        word = kind.this.name if hasattr(kind.this, "name") else str(kind.this)
        sizes = [int(p.name) for p in kind.expressions if p.name.isdecimal()]
        match word:
            case "DECIMAL" | "BIGDECIMAL" | "MONEY" if sizes and 0 < sizes[0] <= 38 and sizes[0] >= sizes[-1]:
                return Field(name, Decimal(sizes[0], sizes[1] if len(sizes) > 1 else 0))
            case "DECIMAL" | "BIGDECIMAL" | "MONEY":
                return Field(name, Number())
            case "ARRAY" | "LIST" if kind.expressions:
                inner = self.typed("element", kind.expressions[0], path)
                return Field(name, List(replace(inner, nullable=True)))
            case "MAP" if len(kind.expressions) == 2:
                return Field(name, Map(replace(self.typed("value", kind.expressions[1], path), nullable=True)))
            case "STRUCT" if kind.expressions:
                inner_fields = (self.column(c, (*path, c.name)) for c in kind.expressions)
                return Field(name, Struct(unique_fields(inner_fields, path, self.notes), is_open=False))
            case "ENUM" | "ENUM8" | "ENUM16":
                return Field(name, String(), enum=tuple(e.name for e in kind.expressions))
            case "UUID":
                return Field(name, String(), format="uuid")
            case _ if word in _TYPES:
                found = _TYPES[word]
                is_sized = isinstance(found, String) and sizes
                return Field(name, found, max_length=sizes[0] if is_sized else None)
            case _:
                self.notes.tell("type_not_held", path, f"is {kind.sql()}; read as json")
                return Field(name, Json())

    def default(self, value: Any, path: Path) -> tuple[Scalar, ...]:
        found = _literal(value)
        if not found:
            self.notes.tell("default_not_held", path, f"has the default {value.sql()}, which is no literal")
        return found

    def checked(self, one: Field, condition: Any, path: Path) -> Field:
        """The field with what a CHECK says, where it says that of this column alone."""
        from sqlglot import exp

        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            part = part.unnest()
            found = _constraint(part, one)
            if found is None:
                self.not_held(part, path)
            else:
                one = replace(one, **found)
        return one

    def constraint(self, part: Any, fields: dict[str, Field], table: str) -> None:
        from sqlglot import exp

        for kind in part.expressions if isinstance(part, exp.Constraint) else [part]:
            match kind:
                case exp.PrimaryKey():
                    self.primary += _names(kind.expressions)
                case exp.UniqueColumnConstraint():
                    inner = kind.this.expressions if isinstance(kind.this, exp.Schema) else []
                    self.unique.append(_names(inner))
                case exp.ForeignKey(args={"reference": exp.Expression() as reference}):
                    self.reference(_names(kind.expressions), reference)
                case exp.CheckColumnConstraint():
                    columns = {c.name for c in kind.this.find_all(exp.Column)}
                    if len(columns) == 1 and (name := columns.pop()) in fields:
                        fields[name] = self.checked(fields[name], kind.this, (table, name))
                    else:
                        self.not_held(kind, (table,))
                case _:
                    self.not_held(kind, (table,))

    def reference(self, fields: tuple[str, ...], kind: Any) -> None:
        target = kind.this
        inner = target.expressions if hasattr(target, "expressions") else []
        self.references.append(Reference(fields, kind.find(_glot().exp.Table).name, _names(inner)))

    def not_held(self, part: Any, path: Path) -> None:
        self.notes.tell("constraint_not_held", path, f"has `{part.sql()[:80]}`, which a contract does not hold")


def _names(parts: Any) -> tuple[str, ...]:
    return tuple(p.name for p in parts)


def _literal(value: Any) -> tuple[Scalar, ...]:
    """A literal's value; empty when it is none."""
    from sqlglot import exp

    match value:
        case exp.Null():
            return (None,)
        case exp.Boolean():
            return (bool(value.this),)
        case exp.Neg() if found := _literal(value.this):
            number = found[0]
            return (-number,) if isinstance(number, int | float) else ()
        case exp.Literal(is_string=True) | exp.Cast(this=exp.Literal(is_string=True)):
            return (value.name,)
        case exp.Literal():
            text = value.name
            return (int(text) if text.lstrip("-").isdecimal() else float(text),)
        case _:
            return ()


def _constraint(part: Any, one: Field) -> dict[str, Any] | None:
    """Attributes of the field that a condition stands for; None when it stands for none."""
    from sqlglot import exp

    bounds = {exp.GTE: "minimum", exp.LTE: "maximum", exp.GT: "more_than", exp.LT: "less_than"}
    lengths = {exp.GTE: "min_length", exp.LTE: "max_length"}
    subject = part.this
    if isinstance(part, exp.In) and isinstance(subject, exp.Column):
        values = [_literal(v) for v in part.expressions]
        return {"enum": tuple(v[0] for v in values)} if values and all(values) else None
    if isinstance(part, exp.Between) and isinstance(subject, exp.Column):
        low, high = _literal(part.args["low"]), _literal(part.args["high"])
        return {"minimum": low[0], "maximum": high[0]} if _is_number(low) and _is_number(high) else None
    value = _literal(part.expression) if isinstance(part, exp.Binary) else ()
    if isinstance(subject, exp.Column) and type(part) in bounds and _is_number(value):
        return {bounds[type(part)]: value[0]}
    if isinstance(subject, exp.Length) and type(part) in lengths and _is_number(value):
        return {lengths[type(part)]: value[0]}
    return None


def _is_number(value: tuple[Scalar, ...]) -> bool:
    return bool(value) and isinstance(value[0], int | float) and not isinstance(value[0], bool)


def write(contract: Contract, dialect: str) -> list[Any]:
    """A CREATE TABLE per object."""
    return [_statement(one, dialect) for one in contract.objects]


def _statement(one: Object, dialect: str) -> Any:
    from sqlglot import exp

    columns = [_column(f, dialect) for f in one.fields]
    if one.primary_key:
        columns.append(exp.PrimaryKey(expressions=[_identifier(n) for n in one.primary_key]))
    columns += [
        exp.UniqueColumnConstraint(this=exp.Schema(expressions=[_identifier(n) for n in key]))
        for key in (one.unique if dialect not in _WITHOUT_UNIQUE else ())
    ]
    columns += [
        exp.ForeignKey(
            expressions=[_identifier(n) for n in r.fields],
            reference=exp.Reference(
                this=exp.Schema(
                    this=exp.Table(this=_identifier(r.to)), expressions=[_identifier(n) for n in r.to_fields]
                )
            ),
        )
        for r in one.references
        if r.fields and r.to_fields
    ]
    table = exp.Table(this=_identifier(one.name))
    return exp.Create(this=exp.Schema(this=table, expressions=columns), kind="TABLE")


def _identifier(name: str) -> Any:
    from sqlglot import exp

    return exp.to_identifier(name, quoted=True)


def _column(one: Field, dialect: str) -> Any:
    from sqlglot import exp

    kinds: list[Any] = [] if one.nullable else [exp.NotNullColumnConstraint()]
    kinds += [exp.UniqueColumnConstraint()] if one.is_unique else []
    if one.default:
        kinds.append(exp.DefaultColumnConstraint(this=exp.convert(one.default[0])))
    kinds += [exp.CheckColumnConstraint(this=c) for c in _conditions(one)]
    return exp.ColumnDef(
        this=_identifier(one.name),
        kind=exp.DataType.build(_written(one, dialect), dialect="duckdb"),
        constraints=[exp.ColumnConstraint(kind=k) for k in kinds],
    )


def column_type(one: Field, dialect: str) -> str:
    """The type of a column for the field, in the dialect's words. SQLite's have to keep values as they are,
    whatever the type is called (sqlite.org/datatype3.html, section 3.1).
    """
    from sqlglot import exp

    if dialect == "sqlite" and isinstance(one.type, Int | Decimal | String):
        return {"int": "INTEGER", "decimal": "NUMERIC"}.get(one.type.kind, "TEXT")
    return str(exp.DataType.build(_written(one, dialect), dialect="duckdb").sql(dialect=dialect))


def _conditions(one: Field) -> Iterator[Any]:
    """What the type does not say, as conditions."""
    from sqlglot import exp

    column = exp.Column(this=_identifier(one.name))
    if one.enum:
        yield exp.In(this=column, expressions=[exp.convert(v) for v in one.enum])
    for attribute, kind in (
        ("minimum", exp.GTE),
        ("maximum", exp.LTE),
        ("more_than", exp.GT),
        ("less_than", exp.LT),
    ):
        bound = getattr(one, attribute)
        if bound is not None and isinstance(one.type, Int | Float | Decimal | Number):
            yield kind(this=column.copy(), expression=exp.convert(bound))
    if one.min_length is not None and isinstance(one.type, String):
        yield exp.GTE(this=exp.Length(this=column.copy()), expression=exp.convert(one.min_length))


def _written(one: Field, dialect: str) -> str:
    """The type in DuckDB's words, which sqlglot puts into those of others. What has fields inside is JSON in
    dialects that have no such types.
    """
    match one.type:
        case String():
            return "UUID" if one.format == "uuid" else f"VARCHAR({one.max_length})" if one.max_length else "TEXT"
        case Int(bits=0):
            return "DECIMAL(38, 0)"
        case Int(bits=bits, is_signed=False) if dialect not in _UNSIGNED:
            return {8: "SMALLINT", 16: "INTEGER", 32: "BIGINT", 64: "DECIMAL(20, 0)"}[bits]
        case Int(bits=bits, is_signed=is_signed):
            return ("" if is_signed else "U") + {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[bits]
        case Decimal(precision=precision, scale=scale):
            return f"DECIMAL({precision}, {scale})"
        case Float(bits=bits):
            return "DOUBLE" if bits == 64 else "REAL"
        case Timestamp(unit=unit, is_zoned=is_zoned):
            words = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}
            return "TIMESTAMPTZ" if is_zoned else words[unit] if dialect in _NESTING else "TIMESTAMP"
        case List(element=inner) if dialect in _NESTING or (dialect == "postgres" and not _is_nested(inner.type)):
            return f"{_written(replace(inner, max_length=None), dialect)}[]"
        case Map(value=inner) if dialect in _NESTING:
            return f"MAP(TEXT, {_written(inner, dialect)})"
        case Struct(fields=fields) if fields and dialect in _NESTING:
            inside = ", ".join(f'"{f.name.replace(chr(34), chr(34) * 2)}" {_written(f, dialect)}' for f in fields)
            return f"STRUCT({inside})"
        case other:
            return _WORDS.get(other.kind, "JSON")


_NESTING: Final = ("duckdb",)
_WITHOUT_UNIQUE: Final = ("hive", "spark", "spark2", "databricks")
_UNSIGNED: Final = ("duckdb", "mysql", "clickhouse")
"""Dialects with unsigned integers; elsewhere the next wider signed type holds them."""


def _is_nested(one: Type) -> bool:
    return isinstance(one, List | Map | Struct)


_WORDS: Final = {
    "bool": "BOOLEAN",
    "number": "DOUBLE",
    "bytes": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "duration": "INTERVAL",
}


def render(document: Any, dialect: str) -> bytes:
    """The statements as text of the dialect."""
    return ("\n\n".join(f"{s.sql(dialect=dialect, pretty=True)};" for s in document) + "\n").encode()


def ddl(dialect: str = "") -> Format:
    """SQL of a dialect of sqlglot (postgres by default) as a format. ValueError for one it does not know."""
    named = dialect or DEFAULT_DIALECT
    _glot().Dialect.get_or_raise(named)
    return Format(
        "ddl",
        f"SQL of {named}",
        (".sql",),
        partial(parse, dialect=named),
        read,
        partial(write, dialect=named),
        partial(render, dialect=named),
    )
