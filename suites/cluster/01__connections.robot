*** Settings ***
Documentation    A client reaches the cluster's database through HAProxy, many clients at once, and each is told clearly
...              when there is no room for it.

Resource         ../../resources/database.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
The primary port leads to the declared PostgreSQL, as the database and user asked for
    [Tags]    CL-01
    Given Two Sessions On The Primary
    Then Server Should Be The Declared PostgreSQL And No Standby
    And Database And User Should Be Those Asked For
    And Each Session Should Have A Backend Of Its Own

The vector extension answers on the primary and, within 5 seconds, on every replica
    [Tags]    CL-02
    Given Vector Extension Should Be Installed
    ${table} =    When An Indexed Vector Table Is Made
    Then Vector Index Should Answer On The Primary    ${table}
    And Vector Index Should Answer On Every Replica    ${table}    within=5 seconds

All 45 pooled connections are busy at once, and one more is refused clearly
    [Tags]    CL-03
    Given A Pool Is Open    connections=45
    When All Pooled Connections Are Busy    within=10 seconds
    Then One More Connection Should Be Refused By The Pool    connection pool exhausted
    And Server Should Refuse A Role One Connection More Than Its Limit    limit=5    sqlstate=53300
    And Released Connections Should Serve Again    within=10 seconds

A statement cancelled after 500 ms leaves its session usable
    [Tags]    CL-04
    ${session} =    Given A Session With Statement Timeout    500 ms
    ${refusal} =    When A Statement Of 30 Seconds Runs    ${session}
    Then Refusal Should Have Sqlstate    ${refusal}    57014
    And Refusal Should Take    ${refusal}    at_least=500 ms    below=2 seconds
    And Session Should Be Usable    ${session}

Each of 20 workers gets its own answers to its 10 queries
    [Tags]    CL-05
    ${work} =    When Workers Query    workers=20    queries=10
    Then All Work Should Be Done    ${work}
    And Each Worker Should Have A Backend Of Its Own    ${work}
