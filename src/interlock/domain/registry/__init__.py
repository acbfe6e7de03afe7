"""The rules of a schema registry: subjects, versions, ids, modes and compatibility, with no store and no HTTP."""
