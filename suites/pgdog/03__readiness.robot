*** Settings ***
Documentation    Whether a migration may go ahead, by the plan's rule: computed here from the scraped numbers, and told
...              by `SHOW MIRROR READINESS` where a PgDog has it. Both must agree, line by line.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:integration    system:pgdog


*** Test Cases ***
The report says READY and NOT READY for the plan's worked values, and every line equals what the numbers give
    [Tags]    PG-11    robot:continue-on-failure
    When Readiness Report Is    READY    85.0    after=95 queries and 5 failures    most_errors=0.05    least=100
    And Readiness Report Is    NOT READY    65.0    after=90 queries and 10 failures    most_errors=0.05    least=100
    And Readiness Report Is    NOT READY    75.0    after=5 queries and 0 failures    most_errors=0.05    least=100
    And Readiness Report Is    READY    100.0    after=1000 queries and 0 failures    most_errors=0.05    least=100
    Then Readiness Report Is    NOT READY    75.0    after=0 queries and 0 failures    most_errors=0.05    least=100

Too few requests, many errors, high latency and a short runtime are each not ready, with the reason named
    [Tags]    PG-12    robot:continue-on-failure
    When Migration Readiness Is Found    NOT READY    of=too few requests    because=Total requests
    And Migration Readiness Is Found    NOT READY    of=many errors    because=Error rate
    And Migration Readiness Is Found    NOT READY    of=slow statements    because=Average latency
    And Migration Readiness Is Found    NOT READY    of=a short runtime    because=Runtime
    Then Migration Readiness Is Found    READY    of=healthy traffic    because=All migration criteria met
