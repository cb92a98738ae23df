*** Settings ***
Documentation    How fast the database answers through HAProxy under a load whose starts nothing can delay.
...              Each answer is checked; each measurement says what load was achieved and how late its generator was.

Resource         ../../resources/database.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:performance    system:cluster


*** Test Cases ***
A look-up by key has a p99 below 100 ms at 200 requests per second
    [Tags]    CL-16
    ${load} =    Given Entries Are Loaded In Bulk    number=1000
    ${measurement} =    When Entries Are Looked Up    ${load}    rate=200/s    duration=${LOAD_DURATION}    p99=100 ms
    Then P99 Should Be Below    ${measurement}    100 ms

A search in 10 000 vectors has a p99 below 50 ms at 200 requests per second
    [Tags]    CL-17
    Given A Vector Collection Is Loaded    10000
    ${measurement} =    When Searches Are Offered    rate=200/s    duration=${LOAD_DURATION}    p99=50 ms
    Then P99 Should Be Below    ${measurement}    50 ms
    And Search Should Use The Vector Index
