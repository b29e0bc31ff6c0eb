// What is written into the journal is what comes out, also after it was closed.
#include "apply/journal.h"
#include "apply/journal_names.h"
#include "journal_fixture.h"
#include "support/catch.h"

using namespace journal_fixture;

TEST_CASE("journal: a run comes back with its changes and stages") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  auto journal = Journal::open(path, "gpu");
  REQUIRE(journal->runs().empty());
  REQUIRE(journal->begin_run(sample_run(), sample_plan()) == 1);
  REQUIRE(journal->begin_run(sample_run(), sample_plan()) == 2);
  journal.reset();

  journal = Journal::open(path, "gpu");
  REQUIRE(journal->runs().size() == 2);
  REQUIRE_FALSE(journal->run(3));
  const RunRecord run = journal->run(1).value();
  CHECK(run.id == 1);
  CHECK(run.command == "apply");
  CHECK(run.argv == "gpuplan apply h100.yaml");
  CHECK(run.spec_name == "h100.yaml");
  CHECK(run.spec_sha256 == "abc");
  CHECK(run.spec_text == "cluster: gpu\n");
  CHECK(run.host_identity == "machine-1");
  CHECK(run.host_description == "gpu01");
  CHECK(run.pid == 4242);
  CHECK(run.started == 1700000000);
  CHECK(run.finished == 0);
  CHECK(run.status == RunStatus::running);
  CHECK_FALSE(run.commit_begun);

  const auto changes = journal->changes(1);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].run == 1);
  CHECK(changes[1].index == 1);
  CHECK(changes[0].change.address.to_string() == "vm-define/gpu-worker-1");
  CHECK(changes[0].change.action == Action::create);
  CHECK(changes[0].change.resource.declared == sample_change("gpu-worker-1", Action::create).resource.declared);
  CHECK(changes[0].change.resource.depends_on.at(0).to_string() == "vfio-bind/0000:0a:00.0");
  CHECK(changes[0].change.reasons == std::vector<std::string>{"does not exist"});
  CHECK(changes[0].state == ResourceState::pending);
  CHECK(changes[0].captured.is_null());

  const auto stages = journal->stages(1);
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].stage.stage == Stage::apply);
  CHECK(stages[1].stage.stage == Stage::commit);
  CHECK(stages[1].stage.change == 1);
  CHECK(stages[1].stage.commit_phase);
  CHECK(stages[1].stage.after == std::vector<std::size_t>{0});
  CHECK(stages[1].status == StageStatus::planned);
}

TEST_CASE("journal: stages begin and end, the commit phase is marked with its first stage") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto run = journal->begin_run(sample_run(), sample_plan());
  journal->stage_begins(run, 0);
  CHECK(journal->stages(run)[0].status == StageStatus::begun);
  CHECK(journal->stages(run)[0].begun > 1600000000);
  CHECK(journal->stages(run)[0].ended == 0);
  journal->stage_ends(run, 0, StageStatus::done);
  CHECK(journal->stages(run)[0].status == StageStatus::done);
  CHECK(journal->stages(run)[0].ended >= journal->stages(run)[0].begun);
  CHECK_FALSE(journal->run(run)->commit_begun);
  journal->commit_stage_begins(run, 1);
  CHECK(journal->run(run)->commit_begun);
  CHECK(journal->stages(run)[1].status == StageStatus::begun);
  journal->stage_ends(run, 0, StageStatus::undo_begun);
  CHECK(journal->stages(run)[0].ended == 0);
  journal->run_ends(run, RunStatus::failed);
  CHECK(journal->run(run)->status == RunStatus::failed);
  CHECK(journal->run(run)->finished > 1600000000);
}

TEST_CASE("journal: capturing a create makes it ours before it is complete") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto run = journal->begin_run(sample_run(), sample_plan());
  journal->captured(run, 0, {{"driver", "nvidia"}});
  CHECK(journal->changes(run)[0].captured == Json{{"driver", "nvidia"}});
  REQUIRE(journal->owned().size() == 1);
  CHECK(journal->owned()[0].resource.address.to_string() == "vm-define/gpu-worker-1");
  CHECK(journal->owned()[0].origin == Json{{"driver", "nvidia"}});
  CHECK(journal->owned()[0].first_run == run);
  CHECK_FALSE(journal->owned()[0].complete);
  journal->change_ends(run, 0, ResourceState::created, "");
  CHECK(journal->owned()[0].complete);
}

TEST_CASE("journal: an owned resource keeps the origin it has") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto first = journal->begin_run(sample_run(), sample_plan());
  journal->captured(first, 0, "nvidia");
  // The first run was killed: the second finds a half-made thing and captures that.
  const auto second = journal->begin_run(sample_run(), sample_plan(Action::create, 4096));
  journal->captured(second, 0, "half-made");
  journal->change_ends(second, 0, ResourceState::created, "");
  const auto owned = journal->owned();
  REQUIRE(owned.size() == 1);
  CHECK(owned[0].origin == "nvidia");
  CHECK(owned[0].first_run == first);
  CHECK(owned[0].resource.declared.number("memory") == 4096);
  CHECK(owned[0].complete);
}

TEST_CASE("journal: capturing an update claims nothing") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto run = journal->begin_run(sample_run(), sample_plan(Action::update));
  journal->captured(run, 0, "old");
  CHECK(journal->owned().empty());
}

TEST_CASE("journal: how a change ends decides who owns the resource") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto first = journal->begin_run(sample_run(), sample_plan());
  for (const std::size_t change : {0U, 1U}) {
    journal->captured(first, change, "origin");
    journal->change_ends(first, change, ResourceState::created, "");
  }
  REQUIRE(journal->owned().size() == 2);
  const auto second = journal->begin_run(sample_run(), sample_plan(Action::update, 1024));
  SECTION("updated: declared as planned") {
    journal->change_ends(second, 0, ResourceState::updated, "");
    CHECK(journal->owned()[0].resource.declared.number("memory") == 1024);
    CHECK(journal->owned()[0].origin == "origin");
  }
  SECTION("removed: owned no more") {
    journal->change_ends(second, 0, ResourceState::removed, "");
    REQUIRE(journal->owned().size() == 1);
    CHECK(journal->owned()[0].resource.address.name() == "gpu-worker-2");
  }
  SECTION("unchanged: the new declaration counts") {
    journal->change_ends(second, 0, ResourceState::unchanged, "");
    CHECK(journal->owned()[0].resource.declared.number("memory") == 1024);
  }
  SECTION("failed: the error is kept, ownership stays") {
    journal->change_ends(second, 0, ResourceState::failed, "cannot write /sys: busy");
    CHECK(journal->changes(second)[0].error == "cannot write /sys: busy");
    CHECK(journal->changes(second)[0].state == ResourceState::failed);
    CHECK(journal->owned()[0].resource.declared.number("memory") == 8192);
  }
}

TEST_CASE("journal: a withdrawal that was begun is remembered until something completes it") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto first = journal->begin_run(sample_run(), sample_plan());
  journal->captured(first, 0, "origin");
  journal->change_ends(first, 0, ResourceState::created, "");
  journal->run_ends(first, RunStatus::succeeded);
  CHECK_FALSE(journal->owned()[0].withdrawal_begun);

  Plan removal = sample_plan(Action::remove);
  removal.stages = {{0, Stage::withdraw, false, {}}, {0, Stage::commit, true, {0}}};
  const auto second = journal->begin_run(sample_run(), removal);
  CHECK_FALSE(journal->owned()[0].withdrawal_begun);
  journal->stage_begins(second, 0);
  CHECK(journal->owned()[0].withdrawal_begun);
  // Another run that is killed before it comes to this.
  Plan update = sample_plan(Action::update);
  const auto third = journal->begin_run(sample_run(), update);
  CHECK(journal->owned()[0].withdrawal_begun);
  SECTION("it was completed") {
    journal->stage_ends(second, 0, StageStatus::done);
    CHECK_FALSE(journal->owned()[0].withdrawal_begun);
  }
  SECTION("it failed") {
    journal->stage_ends(second, 0, StageStatus::failed);
    CHECK(journal->owned()[0].withdrawal_begun);
  }
  SECTION("a later run has brought it up again") {
    journal->stage_begins(third, 0);
    CHECK(journal->owned()[0].withdrawal_begun);
    journal->stage_ends(third, 0, StageStatus::done);
    CHECK_FALSE(journal->owned()[0].withdrawal_begun);
  }
  SECTION("its undoing was interrupted, and completed") {
    journal->stage_ends(second, 0, StageStatus::undo_begun);
    CHECK(journal->owned()[0].withdrawal_begun);
    journal->stage_ends(second, 0, StageStatus::undone);
    CHECK_FALSE(journal->owned()[0].withdrawal_begun);
  }
}

TEST_CASE("journal: a commit that a killed run did not come to is due") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  Plan plan = sample_plan();
  plan.stages = {{0, Stage::apply, false, {}}, {1, Stage::apply, false, {}}, {0, Stage::commit, true, {0, 1}}};
  const auto run = journal->begin_run(sample_run(), plan);
  journal->captured(run, 0, "origin");
  CHECK_FALSE(journal->owned()[0].commit_due);
  journal->stage_begins(run, 0);
  CHECK(journal->owned()[0].commit_due);
  journal->stage_ends(run, 0, StageStatus::done);
  CHECK(journal->owned()[0].commit_due);
  journal->commit_stage_begins(run, 2);
  CHECK(journal->owned()[0].commit_due);
  journal->stage_ends(run, 2, StageStatus::done);
  CHECK_FALSE(journal->owned()[0].commit_due);
}

TEST_CASE("journal: what lived in something that was made anew is gone until it is made again") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  Plan plan;
  plan.changes = {sample_change("control-plane", Action::create), sample_change("kubernetes", Action::create),
                  sample_change("operator", Action::create)};
  for (std::size_t i = 1; i < plan.changes.size(); ++i) plan.changes[i].resource.lives_in = {plan.changes[i - 1].address};
  plan.stages = {{0, Stage::apply, false, {}}, {1, Stage::apply, false, {0}}, {2, Stage::apply, false, {1}}};
  const auto begin = [&] {
    const auto run = journal->begin_run(sample_run(), plan);
    for (std::size_t i = 0; i < plan.changes.size(); ++i) journal->captured(run, i, "origin");
    return run;
  };
  const auto gone = [&] {
    std::vector<bool> out;
    for (const OwnedResource& item : journal->owned()) out.push_back(prior_of(item).declared.empty());
    return out;
  };
  using Gone = std::vector<bool>;
  const auto first = begin();
  for (std::size_t i = 0; i < plan.stages.size(); ++i) journal->stage_begins(first, i);
  journal->run_ends(first, RunStatus::succeeded);
  CHECK(gone() == Gone{false, false, false});

  const auto second = begin();
  CHECK(gone() == Gone{false, false, false});
  journal->stage_begins(second, 0);
  CHECK(gone() == Gone{false, true, true});
  SECTION("made again, one after the other") {
    const auto third = begin();
    journal->stage_begins(third, 1);
    CHECK(gone() == Gone{false, false, true});
    journal->stage_begins(third, 2);
    CHECK(gone() == Gone{false, false, false});
  }
  SECTION("the new one was taken back") {
    journal->stage_ends(second, 0, StageStatus::undone);
    CHECK(gone() == Gone{false, false, false});
  }
}

TEST_CASE("journal: unchanged makes a resource complete, but takes nobody else's") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto first = journal->begin_run(sample_run(), sample_plan());
  journal->captured(first, 0, "origin");
  const auto second = journal->begin_run(sample_run(), sample_plan(Action::none));
  journal->change_ends(second, 0, ResourceState::unchanged, "");
  journal->change_ends(second, 1, ResourceState::unchanged, "");
  REQUIRE(journal->owned().size() == 1);
  CHECK(journal->owned()[0].complete);
}

TEST_CASE("journal: an undone change gives ownership back as it was before its run") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto first = journal->begin_run(sample_run(), sample_plan());
  journal->captured(first, 0, "origin");
  SECTION("created by that run: owned no more") {
    journal->change_ends(first, 0, ResourceState::created, "");
    journal->change_undone(first, 0);
    CHECK(journal->owned().empty());
    CHECK(journal->changes(first)[0].state == ResourceState::undone);
  }
  SECTION("updated by that run: declared as before") {
    journal->change_ends(first, 0, ResourceState::created, "");
    const auto second = journal->begin_run(sample_run(), sample_plan(Action::update, 1024));
    journal->change_ends(second, 0, ResourceState::updated, "");
    journal->change_undone(second, 0);
    REQUIRE(journal->owned().size() == 1);
    CHECK(journal->owned()[0].resource.declared.number("memory") == 8192);
    CHECK(journal->owned()[0].origin == "origin");
    CHECK(journal->owned()[0].first_run == first);
    CHECK(journal->owned()[0].complete);
  }
  SECTION("removed by that run: owned again, even if it was incomplete") {
    const auto second = journal->begin_run(sample_run(), sample_plan(Action::remove));
    journal->change_ends(second, 0, ResourceState::removed, "");
    CHECK(journal->owned().empty());
    journal->change_undone(second, 0);
    REQUIRE(journal->owned().size() == 1);
    CHECK_FALSE(journal->owned()[0].complete);
  }
  SECTION("undone twice: the same") {
    journal->change_undone(first, 0);
    journal->change_undone(first, 0);
    CHECK(journal->owned().empty());
  }
}

TEST_CASE("journal: a rollback is a run without changes") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  const auto run = journal->begin_run(sample_run(), sample_plan());
  RunRecord record = sample_run();
  record.command = "rollback";
  const auto rollback = journal->begin_rollback(record);
  CHECK(rollback == 2);
  CHECK(journal->run(rollback)->command == "rollback");
  CHECK(journal->changes(rollback).empty());
  journal->run_rolled_back(run);
  CHECK(journal->run(run)->status == RunStatus::rolled_back);
}

TEST_CASE("journal: records that do not exist are a defect in words") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  auto journal = Journal::open(path, "gpu");
  const std::string end = "; this is a defect of gpuplan: please report it";
  CHECK(error_of([&] { journal->stage_begins(7, 3); }) == "the journal " + path + " has no stage 3 of run 7" + end);
  CHECK(error_of([&] { journal->captured(7, 3, nullptr); }) ==
        "the journal " + path + " has no change 3 of run 7" + end);
  CHECK(error_of([&] { journal->run_ends(7, RunStatus::failed); }) == "the journal " + path + " has no run 7" + end);
  CHECK(error_of([&] { journal->change_undone(7, 0); }) == "the journal " + path + " has no change 0 of run 7" + end);
}

TEST_CASE("journal: sensitive values are stored as fingerprints") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  Plan plan = sample_plan();
  plan.changes[0].resource.declared.set("token", std::string("hunter2"));
  plan.changes[0].sensitive = {"token"};
  const auto run = journal->begin_run(sample_run(), plan);
  journal->captured(run, 0, nullptr);
  const std::string stored = journal->changes(run)[0].change.resource.declared.text("token");
  CHECK(stored.substr(0, 7) == "sha256:");
  CHECK(journal->owned()[0].resource.declared.text("token") == stored);
}

TEST_CASE("journal: undo data must be text, attributes need not") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  Plan plan = sample_plan();
  plan.changes[0].reasons = {"\xff is not UTF-8"};
  const auto run = journal->begin_run(sample_run(), plan);
  CHECK(journal->changes(run)[0].change.reasons[0] == "\xEF\xBF\xBD is not UTF-8");
  CHECK(
      error_of([&] { journal->captured(run, 0, "\xff"); }) ==
      "cannot record the undo data of change 0 of run 1 in the journal: it holds text that is not UTF-8; nothing of "
      "it was changed. Please report it");
}

TEST_CASE("journal: text with quotes and null bytes is data, never SQL") {
  const TempDirectory directory;
  auto journal = Journal::open(directory.file("gpu.db"), "gpu");
  RunRecord record = sample_run();
  record.argv = "'; DROP TABLE runs; --";
  record.spec_text = std::string("a\0b", 3);
  const auto run = journal->begin_run(record, sample_plan());
  CHECK(journal->run(run)->argv == record.argv);
  CHECK(journal->run(run)->spec_text == record.spec_text);
}

TEST_CASE("journal: every state has a name that leads back to it") {
  for (int i = 0; i <= static_cast<int>(RunStatus::rolled_back); ++i) {
    CHECK(run_status_from_string(to_string(static_cast<RunStatus>(i))) == static_cast<RunStatus>(i));
  }
  for (int i = 0; i <= static_cast<int>(ResourceState::undone); ++i) {
    CHECK(resource_state_from_string(to_string(static_cast<ResourceState>(i))) == static_cast<ResourceState>(i));
  }
  for (int i = 0; i <= static_cast<int>(StageStatus::undo_failed); ++i) {
    CHECK(stage_status_from_string(to_string(static_cast<StageStatus>(i))) == static_cast<StageStatus>(i));
  }
  CHECK(to_string(ResourceState::interrupted) == "interrupted");
  CHECK(to_string(StageStatus::undo_begun) == "undo_begun");
  CHECK_FALSE(run_status_from_string("sunk"));
}
