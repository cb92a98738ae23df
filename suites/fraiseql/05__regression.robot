*** Settings ***
Documentation     HTTP/JSON goes on as before while Flight clients stream: every answer is the recorded one, status,
...               content type and order of keys included. A test goes on after what differs, so that all of it is told.

Resource          ../../resources/fraiseql.resource

Suite Teardown    Flight Clients Are Ended
Test Teardown     Everything Is Healed And Removed

Test Tags         phase:regression    system:fraiseql    robot:continue-on-failure


*** Test Cases ***
A query with variables is answered over HTTP as recorded while Flight clients stream
    [Tags]    FQ-R01
    Given Flight Clients Stream
    ${answer} =    When Query Is Posted    ${ORDERS_PAGE}    limit=${3}    offset=${5}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R01-variables
    ${answer} =    When Query Is Posted    ${ORDERS_PAGE}    limit=${1}    offset=${5999}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R01-last-page
    And Flight Clients Should Have Streamed Meanwhile

Aliases and fragments are answered over HTTP as recorded while Flight clients stream
    [Tags]    FQ-R02
    Given Flight Clients Stream
    ${answer} =    When Query Is Posted    ${ALIASES_AND_FRAGMENTS}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R02-aliases
    ${answer} =    When Query Is Posted    ${INLINE_FRAGMENTS}    id=${ZOE}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R02-inline-fragments
    And Flight Clients Should Have Streamed Meanwhile

Nested objects and lists are answered over HTTP as recorded while Flight clients stream
    [Tags]    FQ-R03
    Given Flight Clients Stream
    ${answer} =    When Query Is Posted    ${OBJECT_WITH_LIST}    id=${ZOE}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R03-object-with-list
    ${answer} =    When Query Is Posted    { orders(limit: 2, offset: 2) { id user { name visits } } }
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R03-list-with-objects
    And Flight Clients Should Have Streamed Meanwhile

A mutation is answered over HTTP as recorded, and stored once, while Flight clients stream
    [Documentation]    One that a directive leaves out, or that is not right in all its arguments, stores nothing.
    [Tags]    FQ-R04
    Given Flight Clients Stream
    ${answer} =    When Query Is Posted    ${CREATE_USER}    name=Zoë "the new"    email=${NEW_ADDRESS}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R04-mutation
    And Database Should Hold Users    1    email=${NEW_ADDRESS}
    And Mutations That Must Not Run Should Store Nothing
    And Flight Clients Should Have Streamed Meanwhile

A query by GET is answered as recorded, and a mutation by GET is refused and changes nothing
    [Tags]    FQ-R05
    Given Flight Clients Stream
    ${answer} =    When Query Is Sent By GET    ${ORDERS_PAGE}    limit=${3}    offset=${5}
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R01-variables
    ${answer} =    When Query Is Sent By GET    ${CREATE_USER}    name=Nobody    email=nobody@example.org
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R05-mutation-by-get
    And Database Should Hold Users    0    email=nobody@example.org

A query that asks for what is not there, or for too much, is refused as recorded
    [Documentation]    Each of these is a mistake by the validation rules of the GraphQL specification, section 5.
    [Tags]    FQ-R06
    Given Flight Clients Stream
    Then Queries Should Be Answered As Recorded    fraiseql/R06-invalid
    ...    { orders(limit: 1) { id colour } }
    ...    { orders(size: 1) { id } }
    ...    { orders(limit: 1, limit: 2) { id } }
    ...    { orders(limit: 1) { n: total n: status } }
    ...    { orders(limit: 1) { id @colour } }
    ...    { orders(limit: 1) { status { id } } }
    ...    { orders(limit: 1) { ...Nowhere } }
    ...    { user { id } }
    ...    ${SUBSCRIPTION}
    ...    ${TOO_DEEP}
    And Query Should Be Answered As Recorded    ${NO_VALUE}    fraiseql/R06-no-value
    And Flight Clients Should Have Streamed Meanwhile

A query that is no GraphQL is refused as recorded
    [Tags]    FQ-R07
    Given Flight Clients Stream
    Then Query Should Be Answered As Recorded    { orders(limit: 1) { id    fraiseql/R07-parse-error
    And Body Should Be Answered As Recorded    {"variables": {}}    fraiseql/R07-no-query
    And Body Should Be Answered As Recorded    {"query": "{ orders    fraiseql/R07-malformed

A body of another content type is refused as recorded
    [Tags]    FQ-R08
    Given Flight Clients Stream
    ${answer} =    When Body Is Posted    { orders(limit: 1) { id } }    content_type=application/graphql
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R08-content-type
    ${answer} =    When Body Is Posted    query={orders{id}}    content_type=application/x-www-form-urlencoded
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R08-content-type

A body of 1 MiB is answered as recorded, and one byte more is refused as recorded
    [Tags]    FQ-R09
    Given Flight Clients Stream
    ${answer} =    When Query Of So Many Bytes Is Posted    1048576
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R09-largest-body
    ${answer} =    When Query Of So Many Bytes Is Posted    1048577
    Then Answer Should Be As Recorded    ${answer}    fraiseql/R09-body-too-large
    And Flight Clients Should Have Streamed Meanwhile

Health tells within 5 seconds that the database is away or hangs, and within 5 seconds that it is back
    [Tags]    FQ-R10
    Given Page Should Be As Recorded Within    5 seconds    /health    fraiseql/R10-healthy
    When Service Is Killed    postgresql
    Then Page Should Follow The Database    /health    away=fraiseql/R10-unhealthy    back=fraiseql/R10-healthy
    When Service Is Frozen    postgresql
    Then Page Should Follow The Database    /health    away=fraiseql/R10-unhealthy    back=fraiseql/R10-healthy

Readiness tells within 5 seconds that the database is away or hangs, and within 5 seconds that it is back
    [Tags]    FQ-R11
    Given Page Should Be As Recorded Within    5 seconds    /readiness    fraiseql/R11-ready
    When Service Is Killed    postgresql
    Then Page Should Follow The Database    /readiness    away=fraiseql/R11-not-ready    back=fraiseql/R11-ready
    When Service Is Frozen    postgresql
    Then Page Should Follow The Database    /readiness    away=fraiseql/R11-not-ready    back=fraiseql/R11-ready

The metrics page is refused without its token, and counts 20 queries and 5 refused ones as such
    [Tags]    FQ-R12
    Given Metrics Should Be Refused Without Their Token
    ${before} =    And Metrics Are Read
    When Query Is Posted So Many Times    20    ${ORDERS_PAGE}    limit=${3}    offset=${5}
    And Query Is Posted So Many Times    5    { orders(limit: 1) { id colour } }
    Then Metrics Should Have Counted    ${before}    queries=25    successes=20    errors=5
