*** Settings ***
Documentation    The cache client between its clients and the database: whatever it does with Redis, it answers with
...              what the database holds. Nothing here fills or empties the cache but the client under test.

Resource         ../../resources/cache.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
After writes of every kind the cache and the database hold equal values
    [Tags]    RC-07
    ${namespace} =    Given A New Namespace
    ${written} =    When Write Rows Of Every Kind    ${namespace}
    Then Cache And Database Should Agree    ${namespace}    ${written}

An update through the cache invalidates the entry of the row
    [Tags]    RC-08
    ${old} =    Given A Cached Row
    ${new} =    When Write Through The Cache    ${old}    invalidate
    Then Redis Should Hold No Entry Of    ${old}
    And Read Should Return    ${new}    source=database
    And Read Should Return    ${new}    source=cache

A miss loads the row from the database and the next read needs no database
    [Tags]    RC-09
    ${row} =    Given A Row The Cache Does Not Know
    ${first} =    When Read And Count    ${row}
    Then Read Should Have Loaded The Row    ${first}
    ${second} =    When Read And Count    ${row}
    Then Read Should Have Hit    ${second}
    And Read Should Need No Database    ${row}

A write-through is in the database and in the cache when it is acknowledged
    [Tags]    RC-13
    ${old} =    Given A Cached Row
    ${new} =    When Write Through The Cache    ${old}    write-through
    Then Database Should Hold    ${new}
    And Read Should Need No Database    ${new}
    And Redis Should Hold No Entry Of    ${old}

Cache-aside keeps a row for the 1 second asked for and forgets it when the row is written
    [Tags]    RC-14
    ${row} =    Given A Row The Cache Does Not Know
    When Read Through The Cache    ${row}    keep_for=1 second
    Then Redis Should Hold An Entry Of    ${row}    at_most=1 second
    ${changed} =    And Change Behind The Cache Should Be Seen    row=${row}    within=2 seconds
    And Write Should Make Redis Forget    row=${changed}
