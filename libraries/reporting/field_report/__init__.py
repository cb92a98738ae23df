"""The field report of a vendor's server: one section of `docs/field-report.md`, made from the results of a run."""
