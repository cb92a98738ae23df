*** Settings ***
Documentation    What mirroring and its metrics cost, in turns with what is compared. The seed's test timed the same
...              configuration twice.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:performance    system:pgdog


*** Test Cases ***
Metrics cost a query less than 5 % of its time
    [Documentation]    Interleaved pairs with a confidence interval; what the proxy itself costs is reported beside it.
    [Tags]    PP-01
    ${on} =    Given A Proxy Mirrors
    ${off} =    And A Proxy Mirrors    metrics=off
    ${measurement} =    When Queries Are Timed In Turns    ${on}    ${off}    limit=1.05
    And Queries Are Timed In Turns With The Primary    ${on}
    Then Ratio Should Be Below    ${measurement}    1.05

The metrics page of 10 databases under load has a p99 below 100 ms
    [Tags]    PP-02
    ${proxy} =    Given A Proxy Mirrors Databases    10
    And Databases Are Under Load    ${proxy}    clients=10    rate=200/s
    ${measurement} =    When The Metrics Page Is Scraped    ${proxy}    150/s    duration=8 seconds    p99=100 ms
    Then P99 Should Be Below    ${measurement}    100 ms
    And Page Should Have Had All Databases    ${proxy}    10

Every transaction of pgbench is mirrored, and its throughput is told beside the primary's own
    [Tags]    PP-03
    ${proxy} =    Given A Proxy Mirrors    queue=20000
    When Pgbench Runs Through    ${proxy}    clients=5    transactions=100
    Then Mirror Should Have Run Every Transaction Of Pgbench    ${proxy}    within=10 seconds
    When Pgbench Takes Turns    ${proxy}    clients=4    duration=${PGBENCH_DURATION}
    Then Mirror Should Have Run Every Transaction Of Pgbench    ${proxy}    within=60 seconds
    And Throughput Should Be Told Against Direct And PgBouncer    ${proxy}
