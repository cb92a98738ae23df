*** Settings ***
Documentation    The cache client when readers and writers race and when Redis hangs, dies and returns with old data: it
...              may be slower then, but never wrong.

Resource         ../../resources/cache.resource

Test Teardown    Everything Is Healed And Removed

Test Tags        phase:chaos    system:cluster


*** Test Cases ***
A reader that races a writer never leaves a stale value
    [Tags]    RC-15
    ${old} =    Given A Row The Cache Does Not Know
    ${reader} =    And Hold A Reader Before It Fills The Cache    ${old}
    ${new} =    When Row Is Written Before The Reader Goes On    row=${old}    reader=${reader}
    Then Reads Should Return    ${new}    times=3
    ${report} =    When Readers And Writers Race    hits=300    writes=300
    Then No Read Should Be Stale    ${report}

While Redis hangs or is dead every answer is right and comes within 1 second
    [Tags]    RC-16
    ${traffic} =    Given Traffic Through The Cache
    When Redis Hangs While Traffic Goes On    traffic=${traffic}
    And Redis Dies While Traffic Goes On    traffic=${traffic}
    ${report} =    And Stop Traffic    ${traffic}
    Then Every Answer Should Have Come Within    ${report}    1 second
    And No Read Should Be Stale    ${report}

A restart of Redis on old data brings no stale value back, and the cache answers again within 5 seconds
    [Tags]    RC-17
    ${old} =    Given Two Cached Rows
    ${new} =    When One Row Changes Unrecorded And One While Redis Is Dead    rows=${old}
    And Redis Comes Back With Its Old Data    rows=${old}
    Then Cache Should Answer Again    ${new}    within=5 seconds
