*** Settings ***
Documentation     FraiseQL: GraphQL over HTTP and over Arrow Flight on PostgreSQL, and observer events from NATS to
...               ClickHouse and to a search engine. The seed's plan asked for the proof that this works; its report
...               gave figures of empty loops. Here the systems are real.

Resource          ../../resources/environment.resource
Library           FlightLibrary

Suite Setup       Start System    fraiseql
Suite Teardown    Run Keywords    Rows That Were Added Are Removed    AND    Stop System    fraiseql
