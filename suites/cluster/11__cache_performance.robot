*** Settings ***
Documentation    How fast the cache answers. Every answer is compared with the row it is of, and must come from where
...              the measurement says.

Resource         ../../resources/cache.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:performance    system:cluster


*** Test Cases ***
A read from the cache takes less time than a read of the database
    [Tags]    RC-10
    ${rows} =    Given Rows In The Cache    number=100
    ${measurement} =    When Measure Reads From And Past The Cache    ${rows}    rounds=30
    Then Ratio Should Be Below    ${measurement}    1.0

The cache answers more than 1 000 reads per second at its maximum rate
    [Tags]    RC-11
    ${rows} =    Given Rows In The Cache    number=100
    ${measurement} =    When Measure The Maximum Rate Of Cached Reads
    ...    ${rows}
    ...    ${MAXIMUM_RATE_DURATION}
    ...    budget=1000/s
    Then Rate Should Be Above    ${measurement}    1000/s

A read from Redis has a p99 below 5 ms at 200 reads per second
    [Tags]    RC-12
    ${values} =    Given Store Values In Redis    number=100
    ${measurement} =    When Measure Reads Of Redis
    ...    ${values}
    ...    rate=200/s
    ...    duration=${LOAD_DURATION}
    ...    warm_up=${WARM_UP_DURATION}
    ...    budget=5 ms
    Then P99 Should Be Below    ${measurement}    5 ms
