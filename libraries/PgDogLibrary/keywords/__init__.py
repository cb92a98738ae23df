"""The keywords of PgDogLibrary, a module a topic."""
