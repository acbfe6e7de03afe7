"""What a registry refuses, each with the number that clients of Confluent Schema Registry know it by.

The numbers are those of the public REST API (its reference, "Errors"); the HTTP status is the first three digits.
"""

from __future__ import annotations

from typing import ClassVar

from interlock.kernel.errors import Invalid, Missing, Refused


class SubjectMissing(Missing):
    """No version was ever registered under the subject, or all are deleted."""

    code = "registry.subject_missing"
    number: ClassVar[int] = 40401


class VersionMissing(Missing):
    """The subject has no such version, or it is deleted."""

    code = "registry.version_missing"
    number: ClassVar[int] = 40402


class SchemaMissing(Missing):
    """No version of any subject has this schema."""

    code = "registry.schema_missing"
    number: ClassVar[int] = 40403


class SubjectDeleted(Missing):
    """The subject is soft-deleted already."""

    code = "registry.subject_deleted"
    number: ClassVar[int] = 40404


class SubjectNotDeleted(Missing):
    """A subject is deleted softly before it is deleted for good."""

    code = "registry.subject_not_deleted"
    number: ClassVar[int] = 40405


class VersionDeleted(Missing):
    """The version is soft-deleted already."""

    code = "registry.version_deleted"
    number: ClassVar[int] = 40406


class VersionNotDeleted(Missing):
    """A version is deleted softly before it is deleted for good."""

    code = "registry.version_not_deleted"
    number: ClassVar[int] = 40407


class ConfigMissing(Missing):
    """The subject has no compatibility settings of its own."""

    code = "registry.config_missing"
    number: ClassVar[int] = 40408


class ModeMissing(Missing):
    """The subject has no mode of its own."""

    code = "registry.mode_missing"
    number: ClassVar[int] = 40409


class Incompatible(Refused):
    """The schema does not go together with versions that are there."""

    code = "registry.incompatible"
    number: ClassVar[int] = 409


class SchemaInvalid(Invalid):
    """The schema cannot be read, or names what is not there."""

    code = "registry.schema_invalid"
    number: ClassVar[int] = 42201


class VersionInvalid(Invalid):
    """A version is a whole number above zero, or `latest`."""

    code = "registry.version_invalid"
    number: ClassVar[int] = 42202


class LevelInvalid(Invalid):
    """There is no such compatibility level or policy."""

    code = "registry.level_invalid"
    number: ClassVar[int] = 42203


class ModeInvalid(Invalid):
    """There is no such mode."""

    code = "registry.mode_invalid"
    number: ClassVar[int] = 42204


class NotPermitted(Invalid):
    """The mode of the subject does not permit this."""

    code = "registry.not_permitted"
    number: ClassVar[int] = 42205


class Referenced(Invalid):
    """Other schemas refer to the version."""

    code = "registry.referenced"
    number: ClassVar[int] = 42206


class IdTaken(Invalid):
    """The id or version that is to be imported belongs to another schema."""

    code = "registry.id_taken"
    number: ClassVar[int] = 42207


class SubjectInvalid(Invalid):
    """A subject is a text without control characters."""

    code = "registry.subject_invalid"
    number: ClassVar[int] = 42208


class SettingUnsupported(Invalid):
    """A setting that this registry does not have."""

    code = "registry.setting_unsupported"
    number: ClassVar[int] = 422


class SettingInvalid(Invalid):
    """A setting that is not of its kind."""

    code = "registry.setting_invalid"
    number: ClassVar[int] = 422
