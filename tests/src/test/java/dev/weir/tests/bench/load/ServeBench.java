package dev.weir.tests.bench.load;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code weir bench serve}: a workload against one server after the other. */
@Command(
    name = "serve",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Sends requests as users do and tells what they see: against servers that run already"
            + " (--url), or against Weir under each --policy in turn.",
    footer = {
      "",
      "Examples:",
      "  serve --arrivals poisson:2 --prompt-tokens lognormal:512,0.8 --output-tokens 16-128",
      "  serve --turns 6 --later-tokens 64 --session-header      dialogues that grow",
      "  serve --arrivals burst:4 --requests 4 --samples 8 --prompt-tokens 4096 --temperature 1",
      "                                                          four GRPO groups of eight",
      "  serve --url http://localhost:8000 --prompts chat --served-model NAME",
    })
public final class ServeBench implements Callable<Integer> {
  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Mixin private WeirOptions servers = new WeirOptions();

  @Mixin private TargetOptions requests = new TargetOptions();

  @Mixin private WorkloadOptions workload = new WorkloadOptions();

  @Option(
      names = "--warm-up",
      paramLabel = "N",
      description = "Requests that each server answers before (default: ${DEFAULT-VALUE}).",
      defaultValue = "4")
  private int warmUp;

  @Option(
      names = "--slo",
      paramLabel = "LIMITS",
      converter = ObjectiveConverter.class,
      description =
          "What a request must hold to count as good, for example ttft=500ms,tpot=50ms,e2e=10s.")
  private Objective objective = Objective.ANY;

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Also writes serve.json and a picture per server there.")
  private @Nullable Path out;

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return Commands.commandLine(new ServeBench());
  }

  @Override
  public Integer call() throws Exception {
    String machine = Machine.describe(); // before this benchmark is its load
    List<LoadReport> reports = new ArrayList<>();
    for (WeirOptions.Candidate candidate :
        servers.candidates(List.of(WeirOptions.DEFAULT_POLICY))) {
      try (WeirServer server = candidate.launch().start()) {
        LoadResult result = measure(requests.target(server.url()));
        LoadReport report = new LoadReport(candidate.label(), objective, result);
        reports.add(report);
        spec.commandLine().getOut().printf("%n%s", report.text());
        spec.commandLine().getOut().flush();
      }
    }
    spec.commandLine().getOut().printf("%n%s%n", machine);
    spec.commandLine().getOut().flush();
    if (out != null) {
      write(out, machine, reports);
    }
    return 0;
  }

  private LoadResult measure(Target target) throws Exception {
    Random random = new Random(requests.seed());
    PromptMaker prompts = requests.prompts();
    for (int i = 0; i < warmUp; i++) {
      prompts = Preflight.of(target, prompts, random).prompts();
    }
    return workload.run(target, workload.draw(prompts, random));
  }

  private static void write(Path folder, String machine, List<LoadReport> reports)
      throws Exception {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("machine", machine);
    json.put("servers", reports.stream().map(LoadReport::figures).toList());
    Commands.writeJson(folder, "serve.json", json);
    for (int i = 0; i < reports.size(); i++) {
      String name = reports.size() == 1 ? "serve.svg" : "serve-" + (i + 1) + ".svg";
      LoadReport report = reports.get(i);
      Files.writeString(folder.resolve(name), LoadPicture.svg(report.label(), report.result()));
    }
  }

  /** Objectives as the command line says them. */
  static final class ObjectiveConverter implements ITypeConverter<Objective> {
    @Override
    public Objective convert(String value) {
      try {
        return Objective.parse(value);
      } catch (IllegalArgumentException wrong) {
        throw new TypeConversionException(wrong.getMessage());
      }
    }
  }
}
