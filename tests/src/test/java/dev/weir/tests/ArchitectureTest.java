package dev.weir.tests;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import org.junit.jupiter.api.Test;

/** The house keeps its shape: imports run one way, and no two packages import each other. */
class ArchitectureTest {
  private static final JavaClasses WEIR =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("dev.weir");

  @Test
  void everyModuleIsLookedAt() {
    assertThat(WEIR.stream().map(type -> type.getPackageName().split("\\.")[2]))
        .contains("bindings", "kernels", "engine", "server");
  }

  @Test
  void importsRunFromServerToBindings() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("bindings")
        .definedBy("dev.weir.bindings..")
        .layer("kernels")
        .definedBy("dev.weir.kernels..")
        .layer("engine")
        .definedBy("dev.weir.engine..")
        .layer("server")
        .definedBy("dev.weir.server..")
        .whereLayer("server")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("engine")
        .mayOnlyBeAccessedByLayers("server")
        .whereLayer("kernels")
        .mayOnlyBeAccessedByLayers("engine")
        .whereLayer("bindings")
        .mayOnlyBeAccessedByLayers("kernels")
        .check(WEIR);
  }

  @Test
  void insideTheEngineImportsRunTowardsThePureParts() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("door")
        .definedBy("dev.weir.engine")
        .layer("replay")
        .definedBy("dev.weir.engine.replay..")
        .layer("simulate")
        .definedBy("dev.weir.engine.simulate..")
        .layer("run")
        .definedBy("dev.weir.engine.run..")
        .layer("plan")
        .definedBy("dev.weir.engine.plan..")
        .layer("session")
        .definedBy("dev.weir.engine.session..")
        .layer("model")
        .definedBy("dev.weir.engine.model..")
        .layer("text")
        .definedBy("dev.weir.engine.text..")
        .layer("kv")
        .definedBy("dev.weir.engine.kv..")
        .layer("load")
        .definedBy("dev.weir.engine.load..")
        .layer("request")
        .definedBy("dev.weir.engine.request..")
        .whereLayer("replay")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("door")
        .mayOnlyBeAccessedByLayers("replay")
        .whereLayer("simulate")
        .mayOnlyBeAccessedByLayers("replay")
        .whereLayer("run")
        .mayOnlyBeAccessedByLayers("replay", "door", "simulate")
        .whereLayer("plan")
        .mayOnlyBeAccessedByLayers("replay", "door", "simulate", "run")
        .whereLayer("session")
        .mayOnlyBeAccessedByLayers("run")
        .whereLayer("model")
        .mayOnlyBeAccessedByLayers("replay", "door", "simulate", "run")
        .whereLayer("text")
        .mayOnlyBeAccessedByLayers("door", "run")
        .whereLayer("kv")
        .mayOnlyBeAccessedByLayers("run", "session", "model")
        .whereLayer("load")
        .mayOnlyBeAccessedByLayers("door", "run", "plan", "model", "text")
        .check(WEIR);
  }

  @Test
  void requestsImportNothingOfWeir() {
    noClasses()
        .that()
        .resideInAPackage("dev.weir.engine.request")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.weir.engine",
            "dev.weir.engine.run..",
            "dev.weir.engine.plan..",
            "dev.weir.engine.session..",
            "dev.weir.engine.model..",
            "dev.weir.engine.text..",
            "dev.weir.engine.kv..",
            "dev.weir.engine.load..",
            "dev.weir.kernels..")
        .check(WEIR);
  }

  @Test
  void theTemplateLanguageKnowsNothingOfModels() {
    String jinja = "dev.weir.engine.text.jinja..";
    noClasses()
        .that()
        .resideInAPackage(jinja)
        .should()
        .dependOnClassesThat(resideInAPackage("dev.weir..").and(not(resideInAPackage(jinja))))
        .check(WEIR);
  }

  @Test
  void plansBlocksAndSessionsKnowNoClockNoFilesAndNoDevice() {
    ArchRule rule =
        noClasses()
            .that()
            .resideInAnyPackage(
                "dev.weir.engine.plan..", "dev.weir.engine.kv..", "dev.weir.engine.session..")
            .and()
            // It names pieces of host memory, which others copy to and from.
            .doNotHaveFullyQualifiedName("dev.weir.engine.kv.HostTier")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                "java.io..", "java.nio..", "java.net..", "java.time..", "java.lang.foreign..")
            .orShould()
            .dependOnClassesThat()
            .haveFullyQualifiedName("dev.weir.kernels.Device")
            .orShould()
            .callMethod(System.class, "nanoTime")
            .orShould()
            .callMethod(System.class, "currentTimeMillis");
    rule.check(WEIR);
  }

  @Test
  void noTwoPackagesImportEachOther() {
    slices().matching("dev.weir.(**)").should().beFreeOfCycles().check(WEIR);
  }
}
