*** Settings ***
Documentation    The page of metrics, Prometheus, and the admin console: three ways to the same numbers.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:integration    system:pgdog


*** Test Cases ***
The metrics page has status, content type, one HELP and TYPE a family, counters as integers, and follows the traffic
    [Tags]    PG-13
    ${proxy} =    Given A Proxy Mirrors
    When Client Asks    ${proxy}    20 queries
    Then Metrics Page Should Be Well Formed    ${proxy}
    And Metrics Page Should Pass The Check Of Promtool    ${proxy}
    And Metrics Page Should Follow The Traffic    ${proxy}    queries=100    within=5 seconds

Prometheus scrapes the page, and has the value that was scraped
    [Tags]    PG-14
    ${proxy} =    Given The Proxy Of The Environment
    When Client Asks    ${proxy}    40 queries
    Then Prometheus Should Have The Scraped Values    ${proxy}    within=20 seconds

The metrics equal the admin console's numbers
    [Tags]    PG-15
    ${proxy} =    Given A Proxy Mirrors Two Databases
    When Client Asks    ${proxy}    30 queries    database=app    user=app
    And Client Asks    ${proxy}    20 queries    database=other    user=other
    And Counters Should Show    ${proxy}    attempted=50    within=5 seconds
    Then Admin Console Should Tell What The Metrics Page Tells    ${proxy}

Disabled metrics hide the family, mirroring goes on, and the rest of the page stays
    [Tags]    PG-16
    ${proxy} =    Given A Proxy Mirrors    metrics=off
    When Client Writes    ${proxy}    50 rows
    Then Mirror Should Hold What Primary Holds    ${proxy}    within=5 seconds
    And Metrics Page Should Not Have The Mirror Family    ${proxy}
