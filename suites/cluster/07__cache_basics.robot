*** Settings ***
Documentation    Redis alone, by its own answers and statistics: what it says of itself, and what its commands do.

Resource         ../../resources/cache.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
Redis answers, describes itself as a standalone master and counts 10 more clients when 10 connect
    [Tags]    RC-01
    Given Connect To Redis
    Then Redis Should Describe Itself
    And Redis Should Count Its Clients    10

At its memory limit Redis takes every write, evicts idle keys and keeps 90 % of the keys in use
    [Tags]    RC-02
    Given Connect To Redis
    And Redis Should Declare A Policy That Keeps What Is Used
    ${pressure} =    When Write Past The Memory Limit    idle=2 seconds
    Then Every Write Should Have Been Accepted    ${pressure}
    And Redis Should Have Stayed Within Its Limit    ${pressure}
    And Keys In Use Should Be Left    ${pressure}    at_least=0.9

A value of any kind reads back as it was set
    [Tags]    RC-03
    Given Connect To Redis
    When Set Values Of Every Kind
    Then Each Value Should Read Back Twice

A key with 1 second to live is readable for that second and gone 500 ms later
    [Tags]    RC-04
    Given Connect To Redis
    ${life} =    When Watch A Key Live    ttl=1 second    grace=500 ms    unseen=20
    Then Key Should Have Lived Until    ${life}    grace=500 ms
    And Redis Should Count Expired Keys    21    within=2 seconds

A deleted key is gone and the others remain
    [Tags]    RC-05
    Given Connect To Redis
    And Set Values Of Every Kind
    When Delete One Value    text
    Then Value Should Be Gone    text
    And All Values Should Remain Except    text

By one command 1 000 keys are set, and one request or one pipeline answers them in order
    [Tags]    RC-06
    Given Connect To Redis
    ${values} =    When Set Many Keys At Once    1000
    Then One Request Should Read Them In Order    ${values}
    And One Pipeline Should Answer In Order    ${values}
