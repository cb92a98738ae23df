*** Settings ***
Documentation     PgDog: what clients do on a primary is replayed on a mirror, counted, and judged for a migration. The
...               seed counted lines of a page; here each number is held against what clients did, and what the mirror
...               holds against what the primary holds.

Resource          ../../resources/environment.resource
Library           PgDogLibrary

Suite Setup       Start System    pgdog
Suite Teardown    Stop System    pgdog
