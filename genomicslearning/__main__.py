from genomicslearning.cli import main

main()
